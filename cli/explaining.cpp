#include "cli/explaining.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/arch/energy.h"
#include "cli/pipeline/explain.h"
#include "sim/critical_path.h"

namespace rdusim::cli {

Result<ExplainedSimulation> explain_simulation(Rerun& rerun) {
  Session& session = rerun.session;
  const SimulationChoice& choice = rerun.simulation;
  RDU_ASSIGN(const auto chosen, load_node_and_stack(session, choice.node));
  if (!choice.energy.empty()) {
    RDU_ASSIGN([[maybe_unused]] const auto energy, load_energy(session.config, choice.energy));
  }
  RDU_CHECK_OK(check_overrides_used(session.config));
  RDU_ASSIGN(const Program program, program_to_run(session, choice, chosen));
  RDU_CHECK_OK(check_same_inputs(rerun));
  RDU_ASSIGN(const CriticalPath path,
             sim::critical_path(program, chosen.node, chosen.stack, fidelity_of(choice)));
  const report::Json cycles = rerun.result->contains("cycles") ? (*rerun.result)["cycles"] : report::Json();
  if (!cycles.is_number_integer() || cycles.get<int64_t>() != path.result.cycles) {
    return Error{
        ErrorCode::kInvalidInput, rerun.path,
        fmt::format("it says {} cycles, the same command now takes {}", cycles.dump(), path.result.cycles),
        "make the result again with this version of rdusim"};
  }
  const bool software = program.orchestration == Orchestration::kSoftware;
  return ExplainedSimulation{report::explain_run(program, path, chosen.node, chosen.stack),
                             {path.result.latency_s(), true, latency_gradient(path),
                              report::parameter_values(chosen.node, chosen.stack, software)}};
}

Result<ExplainedResult> explain_result(Rerun& rerun) {
  if (rerun.command == "simulate" && rerun.simulation.pipeline.asked_for()) return explain_pipeline(rerun);
  if (rerun.command == "simulate") {
    RDU_ASSIGN(const ExplainedSimulation explained, explain_simulation(rerun));
    return ExplainedResult{std::make_shared<report::Json>(report::explanation_json(explained.explanation)),
                           report::explanation_text(explained.explanation), explained.latency};
  }
  RDU_ASSIGN(const ExplainedServing explained, explain_serving_result(rerun));
  return ExplainedResult{std::make_shared<report::Json>(report::serving_explanation_json(explained.nodes)),
                         report::serving_explanation_text(explained.nodes), explained.latency};
}

}  // namespace rdusim::cli
