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

Result<RunResult> run_step(const compiler::Graph& graph, const ChosenNode& chosen, const char* fusion,
                           const char* orchestration) {
  CompileChoice choice;
  choice.fusion = fusion;
  choice.orchestration = orchestration;
  RDU_ASSIGN(const Program program,
             compiler::compile(graph, chosen.node.chip, compile_options(choice, 1, chosen.stack)));
  sim::RunOptions run;
  run.fidelity = Fidelity::kAnalytic;
  return sim::run(program, chosen.node, chosen.stack, run);
}

std::string command(const char* fusion, const char* orchestration) {
  return fmt::format(
      "rdusim simulate llama-2-7b --phase train --context 4096 --set node.sockets=1 --fidelity analytic "
      "--fusion "
      "{} --orchestration {}",
      fusion, orchestration);
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
  RDU_ASSIGN(const RunResult unfused, run_step(graph, chosen, "none", "software"));
  context.progress.note("simulating a training step, fused");
  RDU_ASSIGN(const RunResult host, run_step(graph, chosen, "auto", "software"));
  RDU_ASSIGN(const RunResult chip, run_step(graph, chosen, "auto", "hardware"));
  return ValidationRows{{"training-fusion-gain",
                         "training step of Llama-2-7B at 4096 tokens, fused over unfused",
                         "P Fig 10",
                         Published::between(1.5, 3),
                         unfused.latency_s() / host.latency_s(),
                         "x",
                         {},
                         command("auto", "software"),
                         ""},
                        {"training-orchestration-gain",
                         "the same, launched by the chip over by the host",
                         "P Fig 10",
                         Published::at_most(1.1),
                         host.latency_s() / chip.latency_s(),
                         "x",
                         {},
                         command("auto", "hardware"),
                         ""}};
}

}  // namespace rdusim::cli
