// rdusim probe launch: what the hardware of a launch takes, beside the launch times of the node's software
// stacks.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "cli/inputs.h"
#include "cli/probes/probes.h"
#include "report/format.h"
#include "report/table.h"
#include "sim/agcu/launch.h"

namespace rdusim::cli {
namespace {

struct Options {
  NodeChoice node;
  std::optional<int64_t> tiles, chunk_bits, network_bits, switch_chunks, pcu_chunks, pmu_chunks, agcu_chunks,
      tuples, hops;
};

Result<int> run(Session& session, const Options& o) {
  RDU_ASSIGN(const auto chosen, load_chosen_node(session, o.node));
  auto spec = sim::agcu::launch_spec(chosen.node);
  const auto put = [](const std::optional<int64_t>& from, int64_t& to) { to = from.value_or(to); };
  put(o.tiles, spec.tiles);
  put(o.chunk_bits, spec.chunk_bits);
  put(o.network_bits, spec.network_bits_per_cycle);
  put(o.switch_chunks, spec.switch_chunks);
  put(o.pcu_chunks, spec.pcu_chunks);
  put(o.pmu_chunks, spec.pmu_chunks);
  put(o.agcu_chunks, spec.agcu_chunks);
  put(o.tuples, spec.argument_tuples);
  put(o.hops, spec.control_hops);
  RDU_CHECK_OK(validate(spec));
  const auto t = launch_time(spec);
  report::Table parts{{"part", "cycles", "time"}, {}};
  parts.add(
      {"program load", fmt::format("{}", t.program_load_cycles), report::format_time(t.program_load_s())});
  parts.add(
      {"argument load", fmt::format("{}", t.argument_load_cycles), report::format_time(t.argument_load_s())});
  parts.add({"execute: start, done, sockets", fmt::format("{}", t.execute_cycles),
             report::format_time(t.execute_s())});
  session.print(report::table_text(parts));
  session.print(
      fmt::format("{} of configuration a socket, {} rounds; a new program {}, the same again {}\n\n",
                  report::format_bytes(static_cast<double>(t.configuration_bits) / 8), t.rounds,
                  report::format_time(t.new_program_s()), report::format_time(t.again_s())));
  report::Table stacks{{"stack", "launch", "hardware, new program", "hardware, same again"}, {}};
  report::Json rows = report::Json::array();
  for (const StackSpec& stack : chosen.node.stacks) {
    const auto share = [&](double s) { return report::format_percent(s / stack.hardware_launch_s); };
    stacks.add({stack.name, report::format_time(stack.hardware_launch_s), share(t.new_program_s()),
                share(t.again_s())});
    rows.push_back({{"stack", stack.name},
                    {"hardware_launch_s", stack.hardware_launch_s},
                    {"explained_new_program", t.new_program_s() / stack.hardware_launch_s},
                    {"explained_same_again", t.again_s() / stack.hardware_launch_s}});
  }
  session.print(report::table_text(stacks));
  RDU_CHECK_OK(session.write_json({{"configuration_bits", t.configuration_bits},
                                   {"rounds", t.rounds},
                                   {"program_load_cycles", t.program_load_cycles},
                                   {"argument_load_cycles", t.argument_load_cycles},
                                   {"execute_cycles", t.execute_cycles},
                                   {"new_program_s", t.new_program_s()},
                                   {"same_program_s", t.again_s()},
                                   {"stacks", std::move(rows)}}));
  return kExitOk;
}

}  // namespace

void add_launch_probe(CLI::App& probe, Session& session) {
  auto o = std::make_shared<Options>();
  auto* command = probe.add_subcommand("launch", "program load, argument load and start of a section");
  add_node_options(*command, o->node);
  command->add_option("--tiles", o->tiles, "with a load controller each");
  command->add_option("--chunk-bits", o->chunk_bits, "of a configuration file");
  command->add_option("--network-bits", o->network_bits,
                      "that the top-level network carries to a tile a cycle");
  command->add_option("--switch-chunks", o->switch_chunks, "configuration of a switch");
  command->add_option("--pcu-chunks", o->pcu_chunks, "of a PCU");
  command->add_option("--pmu-chunks", o->pmu_chunks, "of a PMU");
  command->add_option("--agcu-chunks", o->agcu_chunks, "of an AGCU");
  command->add_option("--argument-tuples", o->tuples, "that a launch sets");
  command->add_option("--control-hops", o->hops, "of the start and of the done signal");
  command->footer("Example:\n  rdusim probe launch --node sn40l-8");
  command->callback([&session, o] { session.body = [o](Session& s) { return run(s, *o); }; });
}

}  // namespace rdusim::cli
