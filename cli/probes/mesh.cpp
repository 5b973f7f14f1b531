// rdusim probe mesh: a mesh of virtual-channel routers under synthetic traffic.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/probes/mesh_options.h"
#include "cli/probes/probes.h"
#include "report/table.h"
#include "sim/noc/mesh_network.h"

namespace rdusim::cli {

using sim::noc::MeasureRules;
using sim::noc::MeshLoad;
using sim::noc::MeshMeasurement;
using sim::noc::MeshSpec;

Result<MeshSpec> mesh_config(const std::string& letter) {
  MeshSpec mesh;
  if (letter == "A") return mesh;
  if (letter == "B") mesh.virtual_channels = 8;
  if (letter == "C") mesh.virtual_channels = 1;
  if (letter == "D") mesh.routing_delay_cycles = 1;
  if (letter == "E") {
    mesh.virtual_channels = 4;
    mesh.buffer_flits = 4;
    mesh.switch_traversal_delay_cycles = 0;
    mesh.speculative = true;
  }
  if (letter.size() == 1 && letter[0] >= 'A' && letter[0] <= 'E') return mesh;
  return Error{ErrorCode::kNotFound, "config " + letter, "known are A, B, C, D, E", ""};
}

namespace {

struct Options {
  std::string config = "A";
  std::string traffic = "uniform";
  std::optional<int64_t> k, columns, rows, vcs, buffer, routing, vc_alloc, sw_alloc, traversal, channel,
      credit;
  std::optional<bool> speculative;
  MeshLoad load;
  MeasureRules rules;
  bool saturation = false;
  double bracket = 0;  // 0: as the reference
  bool links = false;
  std::optional<std::string> reference;
};

Result<MeshSpec> mesh_of(const Options& o) {
  RDU_ASSIGN(MeshSpec mesh, mesh_config(o.config));
  const auto put = [](const std::optional<int64_t>& from, int64_t& to) { to = from.value_or(to); };
  put(o.k, mesh.columns);
  put(o.k, mesh.rows);
  put(o.columns, mesh.columns);
  put(o.rows, mesh.rows);
  put(o.vcs, mesh.virtual_channels);
  put(o.buffer, mesh.buffer_flits);
  put(o.routing, mesh.routing_delay_cycles);
  put(o.vc_alloc, mesh.vc_allocation_delay_cycles);
  put(o.sw_alloc, mesh.switch_allocation_delay_cycles);
  put(o.traversal, mesh.switch_traversal_delay_cycles);
  put(o.channel, mesh.channel_latency_cycles);
  put(o.credit, mesh.credit_delay_cycles);
  mesh.speculative = o.speculative.value_or(mesh.speculative);
  RDU_CHECK_OK(validate(mesh, "probe mesh"));
  return mesh;
}

report::Json mesh_json(const MeshSpec& mesh, const Options& o) {
  return {{"columns", mesh.columns},
          {"rows", mesh.rows},
          {"nodes", mesh.nodes()},
          {"traffic", o.traffic},
          {"routing", "dor(XY)"},
          {"packet_size_flits", o.load.packet_flits},
          {"num_vcs", mesh.virtual_channels},
          {"vc_buf_size_flits", mesh.buffer_flits},
          {"router_pipeline_cycles", mesh.pipeline_cycles()},
          {"sw_speculative", mesh.speculative},
          {"credit_delay", mesh.credit_delay_cycles},
          {"channel_latency", mesh.channel_latency_cycles}};
}

// Flits over each channel between routers, and its share of the run's cycles.
report::Json links_json(const MeshSpec& mesh, const MeshMeasurement& m) {
  constexpr const char* kNames[] = {"east", "west", "south", "north", "node"};
  report::Json links = report::Json::array();
  for (size_t i = 0; i < m.link_flits.size(); ++i) {
    if (m.link_flits[i] == 0) continue;
    const auto node = static_cast<int64_t>(i / sim::noc::kPorts);
    links.push_back({{"column", node % mesh.columns},
                     {"row", node / mesh.columns},
                     {"port", kNames[i % sim::noc::kPorts]},
                     {"flits", m.link_flits[i]},
                     {"utilization", static_cast<double>(m.link_flits[i]) / static_cast<double>(m.cycles)}});
  }
  return links;
}

Result<int> run_once(Session& session, const Options& o, const MeshSpec& mesh, const MeshLoad& load) {
  RDU_ASSIGN(const MeshMeasurement m, measure(mesh, load, o.rules));
  const double idle = zero_load_latency_cycles(load.traffic, mesh, load.packet_flits);
  const bool saturated = !m.stable || m.mean_latency_cycles > sim::noc::kSaturationFactor * idle;
  const int64_t busiest = *std::max_element(m.link_flits.begin(), m.link_flits.end());
  session.print(fmt::format(
      "{} x {} mesh, {}, {} flits a packet, {} flits a node and cycle\n"
      "mean latency {:.2f} cycles (in the network {:.2f}, empty mesh {:.2f}), p50 {}, p99 {}, max {}\n"
      "accepted {:.4f} flits a node and cycle{}; {:.2f} routers a packet; busiest channel {:.1f} % of {} "
      "cycles\n",
      mesh.columns, mesh.rows, o.traffic, load.packet_flits, load.injection_rate, m.mean_latency_cycles,
      m.mean_network_latency_cycles, idle, m.p50_latency_cycles, m.p99_latency_cycles, m.max_latency_cycles,
      m.accepted_flits_per_node_cycle, saturated ? " (saturated)" : "", m.mean_hops,
      100 * static_cast<double>(busiest) / static_cast<double>(m.cycles), m.cycles));
  report::Json json = mesh_json(mesh, o);
  json.update(
      {{"injection_rate_flits_node_cycle", load.injection_rate},
       {"mean_latency_cycles", m.mean_latency_cycles},
       {"mean_network_latency_cycles", m.mean_network_latency_cycles},
       {"zero_load_latency_cycles", idle},
       {"min_latency_cycles", m.min_latency_cycles},
       {"p50_latency_cycles", m.p50_latency_cycles},
       {"p99_latency_cycles", m.p99_latency_cycles},
       {"max_latency_cycles", m.max_latency_cycles},
       {"accepted_flits_per_node_cycle", m.accepted_flits_per_node_cycle},
       {"offered_flits_per_node_cycle", m.offered_flits_per_node_cycle},
       {"mean_hops", m.mean_hops},
       {"stable", m.stable},
       {"saturated", saturated},
       {"packets_measured", m.packets},
       {"cycles", m.cycles},
       {"flit_hops", m.flit_hops},
       {"busiest_channel_utilization", static_cast<double>(busiest) / static_cast<double>(m.cycles)}});
  if (o.links) json["links"] = links_json(mesh, m);
  RDU_CHECK_OK(session.write_json(json));
  return kExitOk;
}

Result<int> run_saturation(Session& session, const Options& o, const MeshSpec& mesh, const MeshLoad& load) {
  const double usual = load.traffic == sim::noc::Traffic::k_uniform ? kUniformBracket : kOtherBracket;
  RDU_ASSIGN(const auto s, find_saturation(mesh, load, o.rules, o.bracket > 0 ? o.bracket : usual));
  session.print(fmt::format(
      "zero load {:.2f} cycles; saturation at {:.4f} flits a node and cycle (bracket {:.4f} wide, {} runs)\n",
      s.zero_load_latency_cycles, s.rate, s.bracket, s.runs));
  report::Json json = mesh_json(mesh, o);
  json.update({{"zero_load_latency_cycles", s.zero_load_latency_cycles},
               {"saturation_rate_flits_node_cycle", s.rate},
               {"bracket_flits_node_cycle", s.bracket},
               {"runs", s.runs}});
  RDU_CHECK_OK(session.write_json(json));
  return kExitOk;
}

Result<int> run(Session& session, const Options& o) {
  RDU_CHECK_OK(check_overrides_used(session.config));
  if (o.reference) {
    const std::string own = session.config.config_dir + "/reference/mesh_latency.csv";
    return compare_with_reference(session, o.reference->empty() ? own : *o.reference);
  }
  RDU_ASSIGN(const MeshSpec mesh, mesh_of(o));
  MeshLoad load = o.load;
  load.seed = session.seed;
  RDU_ASSIGN(load.traffic, sim::noc::parse_traffic(o.traffic));
  return o.saturation ? run_saturation(session, o, mesh, load) : run_once(session, o, mesh, load);
}

void add_router_options(CLI::App& command, Options& o) {
  const char* group = "Mesh and routers";
  command
      .add_option("--config", o.config, "router of the reference: A, B, C, D or E; options below change it")
      ->group(group);
  command.add_option("--k", o.k, "columns and rows")->group(group);
  command.add_option("--columns", o.columns, "of the mesh")->group(group);
  command.add_option("--rows", o.rows, "of the mesh")->group(group);
  command.add_option("--vcs,--num-vcs", o.vcs, "virtual channels of every channel, 1 to 12")->group(group);
  command.add_option("--buffer-flits,--vc-buf-size-flits", o.buffer, "of one virtual channel")->group(group);
  command.add_option("--routing-delay", o.routing, "cycles; 0: computed one hop ahead")->group(group);
  command.add_option("--vc-alloc-delay", o.vc_alloc, "cycles")->group(group);
  command.add_option("--sw-alloc-delay", o.sw_alloc, "cycles")->group(group);
  command.add_option("--st-delay", o.traversal, "cycles of switch traversal; 0 counts as 1")->group(group);
  command
      .add_option("--speculative,--sw-speculative", o.speculative,
                  "bid for switch and virtual channel at once (0, 1)")
      ->group(group);
  command.add_option("--channel-latency", o.channel, "cycles between routers")->group(group);
  command.add_option("--credit-delay", o.credit, "cycles from a credit's arrival to its use")->group(group);
}

}  // namespace

void add_mesh_probe(CLI::App& probe, Session& session) {
  auto o = std::make_shared<Options>();
  auto* command = probe.add_subcommand("mesh", "latency and throughput of a packet-switched mesh");
  add_router_options(*command, *o);
  command->add_option("--traffic", o->traffic, fmt::format("{}", fmt::join(sim::noc::traffic_names(), ", ")));
  command->add_option("--packet-flits,--packet-size-flits", o->load.packet_flits, "flits of a packet");
  command->add_option("--injection-rate", o->load.injection_rate, "flits a node and cycle, at most 1");
  command->add_option("--sample-cycles", o->rules.sample_cycles,
                      "of one sample; three steady ones end the run");
  command->add_option("--warmup-samples", o->rules.warmup_samples, "samples before measuring");
  command->add_option("--max-samples", o->rules.max_samples, "samples at most");
  command->add_option("--warmup-cycles", o->rules.fixed_warmup_cycles, "with --cycles: before measuring");
  command->add_option("--cycles", o->rules.fixed_measure_cycles, "measure exactly so long, steady or not");
  command->add_option("--latency-limit", o->rules.latency_limit_cycles,
                      "mean latency that ends a run as unstable");
  command->add_flag("--saturation", o->saturation, "search the rate at which latency passes 3 x zero load");
  command->add_option("--bracket", o->bracket, "with --saturation: width at which the search ends");
  command->add_flag("--links", o->links, "flits over every channel, in the JSON");
  command->add_option("--reference", o->reference, "compare with every series of FILE (default: BookSim 2's)")
      ->expected(0, 1)
      ->type_name("FILE");
  command->footer(
      "Examples:\n"
      "  rdusim probe mesh --config A --traffic transpose --packet-flits 4 --injection-rate 0.1\n"
      "  rdusim probe mesh --k 16 --vcs 4 --saturation\n"
      "  rdusim probe mesh --reference");
  command->callback([&session, o] { session.body = [o](Session& s) { return run(s, *o); }; });
}

}  // namespace rdusim::cli
