// rdusim probe link: a peer-to-peer message from socket to socket.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "cli/inputs.h"
#include "cli/probes/probes.h"
#include "report/format.h"
#include "sim/agcu/peer_link.h"

namespace rdusim::cli {
namespace {

struct Options {
  NodeChoice node;
  int64_t bytes = 16 << 20;
  std::optional<double> bandwidth, latency_ns;
  std::optional<int64_t> packet, header, window;
};

Result<int> run(Session& session, const Options& o) {
  RDU_ASSIGN(const auto chosen, load_chosen_node(session, o.node));
  sim::agcu::PeerLinkSpec link;
  link.bandwidth_bytes_per_s = o.bandwidth.value_or(chosen.node.link.bandwidth_bytes_per_s);
  link.latency_ns = o.latency_ns.value_or(chosen.node.link.latency_ns);
  link.packet_bytes = o.packet.value_or(link.packet_bytes);
  link.header_bytes = o.header.value_or(link.header_bytes);
  link.window_bytes = o.window.value_or(link.window_bytes);
  RDU_CHECK_OK(validate(link));
  if (o.bytes < 1 || o.bytes > (int64_t{1} << 36))
    return Error{ErrorCode::kOutOfRange, "probe link", "a message has 1 byte to 64 GiB", ""};
  const auto t = transfer(link, o.bytes);
  const double seconds = static_cast<double>(t.finish_ps) * 1e-12;
  const double rate = static_cast<double>(o.bytes) / seconds;
  session.print(fmt::format(
      "{} in {}: {}, {:.1f} % of the link; first byte after {:.1f} ns; {} packets, {} without credits\n",
      report::format_bytes(static_cast<double>(o.bytes)), report::format_time(seconds),
      report::format_bandwidth(rate), 100 * rate / link.bandwidth_bytes_per_s,
      static_cast<double>(t.first_byte_ps) * 1e-3, t.packets,
      report::format_time(static_cast<double>(t.stalled_ps) * 1e-12)));
  RDU_CHECK_OK(
      session.write_json({{"bytes", o.bytes},
                          {"link_bandwidth_bytes_per_s", link.bandwidth_bytes_per_s},
                          {"link_latency_ns", link.latency_ns},
                          {"packet_bytes", link.packet_bytes},
                          {"header_bytes", link.header_bytes},
                          {"window_bytes", link.window_bytes},
                          {"bandwidth_bytes_per_s", rate},
                          {"fraction_of_peak", rate / link.bandwidth_bytes_per_s},
                          {"steady_bandwidth_bytes_per_s", steady_bytes_per_s(link)},
                          {"latency_ns", static_cast<double>(t.first_byte_ps) * 1e-3},
                          {"time_s", seconds},
                          {"cycles", static_cast<int64_t>(seconds * chosen.node.chip.clock_hz + 0.999999)},
                          {"packets", t.packets},
                          {"stalled_s", static_cast<double>(t.stalled_ps) * 1e-12}}));
  return kExitOk;
}

}  // namespace

void add_link_probe(CLI::App& probe, Session& session) {
  auto o = std::make_shared<Options>();
  auto* command = probe.add_subcommand("link", "a message from socket to socket");
  add_node_options(*command, o->node);
  command->add_option("--bytes,--message-bytes", o->bytes, "of the message");
  command->add_option("--bandwidth", o->bandwidth, "bytes/s of the link; default: the node's");
  command->add_option("--latency-ns", o->latency_ns, "one way; default: the node's");
  command->add_option("--packet-bytes", o->packet, "payload of a packet");
  command->add_option("--header-bytes", o->header, "of a packet");
  command->add_option("--window-bytes,--window", o->window, "payload under way without a credit");
  command->footer("Example:\n  rdusim probe link --bytes 1048576 --window-bytes 65536");
  command->callback([&session, o] { session.body = [o](Session& s) { return run(s, *o); }; });
}

}  // namespace rdusim::cli
