// rdusim simulate: one pass of a model, or a saved program, on the simulated chip: how long, what bounds it,
// bytes by cause.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "cli/commands/commands.h"
#include "cli/energy.h"
#include "cli/inputs.h"
#include "cli/pipeline/output.h"
#include "cli/progress.h"
#include "cli/simulation.h"
#include "cli/timeline.h"
#include "report/floorplan_json.h"
#include "report/format.h"
#include "report/run_json.h"
#include "sim/simulator.h"

namespace rdusim::cli {
namespace {

std::string summary(const Program& program, const RunResult& result) {
  const double latency_s = result.latency_s();
  const UnitCycles& cycles = result.unit_cycles;
  const double total = static_cast<double>(cycles.total());
  const auto share = [&](int64_t part) {
    return report::format_percent(total > 0 ? static_cast<double>(part) / total : 0);
  };
  return fmt::format(
      "{}: {} at {} fidelity, {} tokens/s, {}/s\n"
      "unit-cycles: busy {}, starved {}, blocked {}, launching {}, idle {}\n\n",
      program.name, report::format_time(latency_s), fidelity_name(result.fidelity),
      report::format_number(static_cast<double>(program.tokens_per_run) / latency_s),
      report::format_flops(static_cast<double>(program.flops) / latency_s), share(cycles.busy),
      share(cycles.starved), share(cycles.blocked), share(cycles.launching), share(cycles.idle));
}

Result<int> run_stages(Session& session, const SimulationChoice& options, const ChosenNode& chosen) {
  if (!options.energy.empty()) {
    return Error{ErrorCode::kUnsupported, "--energy", "not summed over the stages of a pipeline",
                 "simulate the stages' programs one by one: rdusim compile --pipeline -o saves them"};
  }
  const Progress progress("compiling and simulating the stages of " + options.what, session.quiet);
  RDU_ASSIGN(const PipelineRun run, pipeline_to_run(session, options, chosen));
  session.print(pipeline_summary(run));
  session.print(report::table_text(stages_table(run)));
  const auto events = pipeline_events(run);
  RDU_CHECK_OK(
      session.write_trace(chip_timeline(events, run.clock_hz, static_cast<int64_t>(events.size()) + 1)));
  report::Json json = pipeline_json(run);
  RDU_CHECK_OK(session.write_json(json));
  return kExitOk;
}

Result<int> run(Session& session, const SimulationChoice& options) {
  RDU_ASSIGN(const auto chosen, load_node_and_stack(session, options.node));
  EnergySpec energy;
  if (!options.energy.empty()) {
    RDU_ASSIGN(energy, load_energy(session.config, options.energy));
  }
  RDU_CHECK_OK(check_overrides_used(session.config));
  if (options.pipeline.asked_for()) return run_stages(session, options, chosen);
  if (!session.trace_path.empty() && options.fidelity != "event") {
    return Error{ErrorCode::kInvalidInput, "--trace",
                 fmt::format("the {} fidelity has no timeline", options.fidelity),
                 "--fidelity event has one"};
  }
  Progress progress("compiling " + options.what, session.quiet);
  RDU_ASSIGN(const Program program, program_to_run(session, options, chosen));

  progress.note("simulating " + program.name);
  std::vector<sim::TraceEvent> events;
  RDU_ASSIGN(sim::RunOptions run_options, run_options_of(session, options, chosen));
  if (!session.trace_path.empty()) run_options.trace = &events;
  RDU_ASSIGN(const RunResult result, sim::run(program, chosen.node, chosen.stack, run_options));

  const auto peaks = socket_peaks(chosen.node.chip);
  session.print(summary(program, result));
  session.print(report::table_text(report::run_table(result, peaks)));
  RDU_CHECK_OK(session.write_trace(chip_timeline(events, result.clock_hz, run_options.trace_limit)));
  report::Json json = report::run_json(program, result, peaks);
  json["hardware"] = report::hardware_json(program, chosen.node);
  json["floorplan"] = report::floorplan_json(program, result, chosen.node.chip);
  if (!options.energy.empty()) {
    session.print("\n" + energy_summary(result, energy) + "\n\n");
    session.print(report::table_text(energy_table(result, energy)));
    json["energy"] = energy_json(result, energy, program.tokens_per_run);
  }
  RDU_CHECK_OK(session.write_json(json));
  return kExitOk;
}

}  // namespace

void add_simulate(CLI::App& app, Session& session) {
  auto options = std::make_shared<SimulationChoice>();
  auto* command =
      app.add_subcommand("simulate", "run one pass of a model, or a saved program, on the simulated chip");
  add_simulation_options(*command, *options);
  command->footer(
      "The table has a row a section: its time and share, what bounds it, the HBM rate it reaches.\n"
      "\n"
      "Examples:\n"
      "  rdusim simulate llama-2-7b --node sn40l-8 --phase decode --batch 1 --context 4096\n"
      "  rdusim simulate llama-2-7b --phase prefill --context 512 --fidelity analytic --json -\n"
      "  rdusim simulate llama-2-7b --fusion none --orchestration software     what fusion and the chip's "
      "own launches gain\n"
      "  rdusim simulate llama-2-7b --set chip.hbm.bandwidth_bytes_per_s=2.0e12\n"
      "  rdusim simulate llama-2-70b --pipeline 2 --batch 8 --micro-batches 2    two stages of four sockets\n"
      "  rdusim simulate llama-2-7b --energy --set energy.hbm_pj_per_byte=28     joules by part and by "
      "cause\n"
      "  rdusim simulate decode.rdu --trace out/decode.trace.json               open it in ui.perfetto.dev");
  command->callback(
      [&session, options] { session.body = [options](Session& s) { return run(s, *options); }; });
}

}  // namespace rdusim::cli
