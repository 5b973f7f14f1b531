// What rdusim simulate is asked to run, and the program and node that follow from it: shared with explain,
// which reads the same command line from a result's manifest.
#pragma once

#include <string>

#include "base/program/program.h"
#include "cli/inputs.h"
#include "cli/pipeline/run.h"
#include "cli/session.h"

namespace rdusim::cli {

struct SimulationChoice {
  std::string what;  // a model (name or folder), or a program that rdusim compile saved
  NodeChoice node;
  PassChoice pass;
  CompileChoice compile;
  PipelineChoice pipeline;
  std::string fidelity = "event";
  bool no_fast_forward = false;
  std::string energy;  // name of an energy file; empty: not asked for
};
void add_simulation_options(CLI::App& command, SimulationChoice& choice);

Fidelity fidelity_of(const SimulationChoice& choice);
// With --pipeline or --micro-batches: the stages' programs, run and put in order of time.
Result<PipelineRun> pipeline_to_run(Session& session, const SimulationChoice& choice,
                                    const ChosenNode& chosen);
// Memory devices included.
Result<sim::RunOptions> run_options_of(Session& session, const SimulationChoice& choice,
                                       const ChosenNode& chosen);
Result<Program> program_to_run(Session& session, const SimulationChoice& choice, const ChosenNode& chosen);

}  // namespace rdusim::cli
