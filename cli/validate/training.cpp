// Group training: a training step of Llama-2-7B at 4096 tokens (forward, backward, AdamW), fused over unfused
// (P Fig 10: 1.5x to 3x). One socket with one sequence: the eight sockets of P are taken as copies of it
// (data parallel; the exchange of gradients is not in the step), because the backward pass is not cut over
// sockets here. P's second training workload, a 13B model with 87.5 % sparse weights, is not modelled.
#include <fmt/format.h>

#include "cli/inputs.h"
#include "cli/validate/groups.h"
#include "compiler/compile.h"
#include "sim/simulator.h"

namespace rdusim::cli {
namespace {

Result<Program> compile_step(const compiler::Graph& graph, const ChosenNode& chosen, const char* fusion) {
  CompileChoice choice;
  choice.fusion = fusion;
  choice.orchestration = "software";
  return compiler::compile(graph, chosen.node.chip, compile_options(choice, 1, chosen.stack));
}

Result<double> step_seconds(const Program& program, const ChosenNode& chosen) {
  sim::RunOptions options;
  options.fidelity = Fidelity::kAnalytic;
  RDU_ASSIGN(const RunResult result, sim::run(program, chosen.node, chosen.stack, options));
  return result.latency_s();
}

}  // namespace

Result<ValidationRows> training_rows(ValidationContext& context) {
  RDU_ASSIGN(auto chosen, load_node_and_stack(context.session, {"sn40l-8", ""}));
  chosen.node.sockets = 1;
  RDU_ASSIGN(const auto model, load_chosen_model(context.session, "llama-2-7b"));
  models::GraphRequest request;
  request.phase = models::Phase::kTrain;
  request.query_tokens = 4096;
  RDU_ASSIGN(const auto graph, model->build(request));
  context.progress.note("simulating a training step, unfused");
  RDU_ASSIGN(const Program unfused, compile_step(graph, chosen, "none"));
  RDU_ASSIGN(const double unfused_s, step_seconds(unfused, chosen));
  context.progress.note("simulating a training step, fused");
  RDU_ASSIGN(Program fused, compile_step(graph, chosen, "auto"));
  RDU_ASSIGN(const double host_s, step_seconds(fused, chosen));
  fused.orchestration = Orchestration::kHardware;  // the same kernels, launched by the chip
  RDU_ASSIGN(const double chip_s, step_seconds(fused, chosen));
  const char* command =
      "rdusim simulate llama-2-7b --phase train --context 4096 --set node.sockets=1 --fidelity analytic "
      "--fusion auto --orchestration software";
  return ValidationRows{
      {"training-fusion-gain", "training step of Llama-2-7B at 4096 tokens, fused over unfused", "P Fig 10",
       Published::between(1.5, 3), unfused_s / host_s, "x", 0, command, ""},
      {"training-orchestration-gain", "the same, launched by the chip over by the host", "P Fig 10",
       Published::between(1, 1.1), host_s / chip_s, "x", 0, command, ""}};
}

}  // namespace rdusim::cli
