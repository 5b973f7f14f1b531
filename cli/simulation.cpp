#include "cli/simulation.h"

#include <CLI/CLI.hpp>
#include <filesystem>

#include "base/io/file.h"
#include "base/program/program_text.h"
#include "base/program/verify.h"
#include "models/onnx/model.h"

namespace rdusim::cli {

void add_simulation_options(CLI::App& command, SimulationChoice& choice) {
  command
      .add_option("MODEL|FILE", choice.what,
                  "a model (name, folder or ONNX file), or a program saved by rdusim compile -o")
      ->required();
  add_node_options(command, choice.node);
  add_pass_options(command, choice.pass);
  add_compile_options(command, choice.compile);
  add_stages_option(command, choice.pipeline);
  add_micro_batches_option(command, choice.pipeline);
  command
      .add_option("--fidelity", choice.fidelity,
                  "analytic: closed form; event: token by token (default); cycle: vector by vector")
      ->check(CLI::IsMember({"analytic", "event", "cycle"}));
  command.add_flag("--no-fast-forward", choice.no_fast_forward,
                   "simulate every token of every launch, also where they repeat (same result, slower)");
  command.add_flag(
      "--energy{public-7nm}", choice.energy,
      "also the energy, from --energy=NAME in configs/energy/ or a YAML file (default public-7nm)");
}

Fidelity fidelity_of(const SimulationChoice& choice) {
  if (choice.fidelity == "cycle") return Fidelity::kCycle;
  return choice.fidelity == "event" ? Fidelity::kEvent : Fidelity::kAnalytic;
}

namespace {

bool is_saved_program(const SimulationChoice& choice) {
  return std::filesystem::is_regular_file(choice.what) && !models::onnx_path(choice.what);
}

}  // namespace

Result<sim::RunOptions> run_options_of(Session& session, const SimulationChoice& choice,
                                       const ChosenNode& chosen) {
  sim::RunOptions options;
  options.fidelity = fidelity_of(choice);
  options.fast_forward = !choice.no_fast_forward;
  if (options.fidelity == Fidelity::kCycle) {
    RDU_ASSIGN(options.devices, load_memory_devices(session, chosen.node.chip));
  }
  return options;
}

Result<PipelineRun> pipeline_to_run(Session& session, const SimulationChoice& choice,
                                    const ChosenNode& chosen) {
  if (is_saved_program(choice)) {
    return Error{ErrorCode::kInvalidInput, "--pipeline", choice.what + " is a program, which is compiled",
                 "name a model; rdusim compile --pipeline -o saves a program a stage"};
  }
  RDU_ASSIGN(const auto model, load_chosen_model(session, choice.what));
  PipelineRequest request{{}, choice.pipeline, choice.compile};
  RDU_ASSIGN(request.pass, graph_request(choice.pass, *model));
  RDU_ASSIGN(const auto options, run_options_of(session, choice, chosen));
  return run_pipeline(*model, chosen, request, options);
}

Result<Program> program_to_run(Session& session, const SimulationChoice& choice, const ChosenNode& chosen) {
  if (is_saved_program(choice)) {
    if (!(choice.pass == PassChoice{}) || !(choice.compile == CompileChoice{})) {
      return Error{ErrorCode::kInvalidInput, choice.what,
                   "is a program: which pass it is and how it is compiled stand in it",
                   "leave such options to rdusim compile"};
    }
    RDU_CHECK_OK(session.record_file(choice.what));
    RDU_ASSIGN(const std::string text, read_text_file(choice.what));
    RDU_ASSIGN(Program program, parse_program(text, choice.what));
    RDU_CHECK_OK(verify_program(program, chosen.node.chip.pcu.count, chosen.node.chip.pmu.count));
    return program;
  }
  RDU_ASSIGN(const auto model, load_chosen_model(session, choice.what));
  RDU_ASSIGN(const auto request, graph_request(choice.pass, *model));
  RDU_ASSIGN(const auto graph, model->build(request));
  return compiler::compile(graph, chosen.node.chip,
                           compile_options(choice.compile, chosen.node.sockets, chosen.stack));
}

}  // namespace rdusim::cli
