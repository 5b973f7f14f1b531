// rdusim probe collective: all-reduce, all-gather, reduce-scatter and all-to-all between the sockets of a
// node.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <nlohmann/json.hpp>

#include "cli/inputs.h"
#include "cli/probes/probes.h"
#include "report/format.h"
#include "sim/agcu/collective.h"

namespace rdusim::cli {
namespace {

struct Options {
  NodeChoice node;
  std::string kind = "all_reduce";
  std::string algorithm;  // empty: ring, direct for all_to_all
  std::optional<int64_t> sockets;
  int64_t bytes = 1 << 20;
  int64_t chunks = 1;
  std::optional<double> bandwidth, latency_ns, reduce_latency_ns;
  double producer_s = 0;
};

Result<int> run(Session& session, const Options& o) {
  RDU_ASSIGN(const auto chosen, load_chosen_node(session, o.node));
  sim::agcu::CollectiveSpec spec;
  RDU_ASSIGN(spec.kind, sim::agcu::parse_collective_kind(o.kind));
  const std::string usual = spec.kind == sim::agcu::CollectiveKind::kAllToAll ? "direct" : "ring";
  const std::string algorithm = o.algorithm.empty() ? usual : o.algorithm;
  RDU_ASSIGN(spec.algorithm, sim::agcu::parse_collective_algorithm(algorithm));
  spec.sockets = o.sockets.value_or(chosen.node.sockets);
  spec.bytes = o.bytes;
  spec.chunks = o.chunks;
  spec.bandwidth_bytes_per_s = o.bandwidth.value_or(chosen.node.link.bandwidth_bytes_per_s);
  spec.latency_ns = o.latency_ns.value_or(chosen.node.link.latency_ns);
  spec.reduce_latency_ns = o.reduce_latency_ns.value_or(spec.reduce_latency_ns);
  spec.producer_s = o.producer_s;
  RDU_CHECK_OK(validate(spec));
  const auto r = run_collective(spec);
  const double clock = chosen.node.chip.clock_hz;
  const auto seconds = [](int64_t ps) { return static_cast<double>(ps) * 1e-12; };
  const auto cycles = [&](int64_t ps) { return static_cast<int64_t>(std::ceil(seconds(ps) * clock - 1e-6)); };
  const double of_bound = r.exposed_ps > 0 ? seconds(r.lower_bound_ps) / seconds(r.exposed_ps) : 0;
  session.print(fmt::format(
      "{} of {} over {} sockets, {}, {} chunk{}: {} ({} cycles), of which {} after the producer\n"
      "lower bound of the links {}; bus bandwidth {} a socket, {:.1f} % of the link\n",
      o.kind, report::format_bytes(static_cast<double>(spec.bytes)), spec.sockets, algorithm, spec.chunks,
      spec.chunks == 1 ? "" : "s", report::format_time(seconds(r.finish_ps)), cycles(r.finish_ps),
      report::format_time(seconds(r.exposed_ps)), report::format_time(seconds(r.lower_bound_ps)),
      report::format_bandwidth(r.bus_bandwidth_bytes_per_s), 100 * of_bound));
  RDU_CHECK_OK(session.write_json({{"kind", o.kind},
                                   {"algorithm", algorithm},
                                   {"sockets", spec.sockets},
                                   {"bytes", spec.bytes},
                                   {"chunks", spec.chunks},
                                   {"link_bandwidth_bytes_per_s", spec.bandwidth_bytes_per_s},
                                   {"link_latency_ns", spec.latency_ns},
                                   {"reduce_latency_ns", spec.reduce_latency_ns},
                                   {"producer_s", spec.producer_s},
                                   {"cycles", cycles(r.finish_ps)},
                                   {"time_s", seconds(r.finish_ps)},
                                   {"exposed_cycles", cycles(r.exposed_ps)},
                                   {"exposed_s", seconds(r.exposed_ps)},
                                   {"bytes_per_link", r.bytes_per_link},
                                   {"lower_bound_cycles", cycles(r.lower_bound_ps)},
                                   {"lower_bound_s", seconds(r.lower_bound_ps)},
                                   {"bus_bandwidth_bytes_per_s", r.bus_bandwidth_bytes_per_s},
                                   {"fraction_of_peak", of_bound}}));
  return kExitOk;
}

}  // namespace

void add_collective_probe(CLI::App& probe, Session& session) {
  auto o = std::make_shared<Options>();
  auto* command = probe.add_subcommand("collective", "a collective between the sockets of a node");
  add_node_options(*command, o->node);
  command->add_option("--kind", o->kind, "all_reduce, all_gather, reduce_scatter or all_to_all");
  command->add_option("--algorithm", o->algorithm, "ring or direct");
  command->add_option("--sockets", o->sockets, "default: the node's");
  command->add_option("--bytes", o->bytes, "of the tensor of each socket (all_gather: of the result)");
  command->add_option("--chunks", o->chunks, "pieces that follow one another over the links");
  command->add_option("--bandwidth", o->bandwidth,
                      "bytes/s out of a socket and into it; default: the node's");
  command->add_option("--latency-ns", o->latency_ns, "of a link; default: the node's");
  command->add_option("--reduce-latency-ns", o->reduce_latency_ns, "of adding what arrived");
  command->add_option("--producer-s", o->producer_s,
                      "fused: the producer makes the tensor over this time, chunk by chunk");
  command->footer("Example:\n  rdusim probe collective --kind all_reduce --bytes 524288 --chunks 4");
  command->callback([&session, o] { session.body = [o](Session& s) { return run(s, *o); }; });
}

}  // namespace rdusim::cli
