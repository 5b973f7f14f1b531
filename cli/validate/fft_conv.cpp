// Group fft-conv: FlashFFTConv of length 1M on one socket (P Figs 10 and 11): what fusion gains, kernel
// calls, and what launches by the chip itself gain. The stack is that of P's other rows of these figures.
// P names neither batch nor channels: configs/kernels/flash-fft-conv-1m has the 8 x 48 sequences of
// FlashFFTConv's own benchmark at that length. Unfused is launched by the host, as P's baseline; fused by the
// host and by the chip.
#include <fmt/format.h>

#include "cli/inputs.h"
#include "cli/validate/groups.h"
#include "compiler/compile.h"
#include "sim/simulator.h"

namespace rdusim::cli {
namespace {

constexpr const char* kStack = "2024-early";

struct Run {
  double seconds = 0;
  int64_t calls = 0;
};

Result<Run> run_conv(const compiler::Graph& graph, const ChosenNode& chosen, const char* fusion,
                     const char* orchestration) {
  CompileChoice choice;
  choice.fusion = fusion;
  choice.orchestration = orchestration;
  RDU_ASSIGN(const Program program,
             compiler::compile(graph, chosen.node.chip, compile_options(choice, 1, chosen.stack)));
  RDU_ASSIGN(const RunResult result, sim::run(program, chosen.node, chosen.stack, {}));
  return Run{result.latency_s(), static_cast<int64_t>(program.launches.size())};
}

std::string command(const char* fusion, const char* orchestration) {
  return fmt::format(
      "rdusim simulate configs/kernels/flash-fft-conv-1m --phase encode --set node.sockets=1 --stack {} "
      "--fusion {} --orchestration {}",
      kStack, fusion, orchestration);
}

}  // namespace

Result<ValidationRows> fft_conv_rows(ValidationContext& context) {
  RDU_ASSIGN(auto chosen, load_node_and_stack(context.session, {"sn40l-8", kStack}));
  chosen.node.sockets = 1;
  RDU_ASSIGN(const auto model, load_chosen_model(context.session, context.session.config.config_dir +
                                                                      "/kernels/flash-fft-conv-1m"));
  models::GraphRequest request;
  request.phase = models::Phase::kEncode;
  RDU_ASSIGN(const auto graph, model->build(request));
  context.progress.note("simulating FlashFFTConv, unfused");
  RDU_ASSIGN(const Run unfused, run_conv(graph, chosen, "none", "software"));
  context.progress.note("simulating FlashFFTConv, fused");
  RDU_ASSIGN(const Run host, run_conv(graph, chosen, "layer", "software"));
  RDU_ASSIGN(const Run chip, run_conv(graph, chosen, "layer", "hardware"));
  return ValidationRows{
      {"fft-conv-fused-calls", "kernel calls of a fused FlashFFTConv", "P Fig 11", Published::exactly(1),
       static_cast<double>(chip.calls), "calls", 0, command("layer", "hardware"), ""},
      {"fft-conv-fusion-gain",
       "FlashFFTConv 1M, fused over unfused",
       "P Fig 10",
       Published::exactly(13),
       unfused.seconds / host.seconds,
       "x",
       {},
       command("none", "software"),
       ""},
      {"fft-conv-orchestration-gain", "FlashFFTConv 1M, launched by the chip over by the host", "P Fig 10",
       Published::exactly(1.0), host.seconds / chip.seconds, "x", 15, command("layer", "software"), ""}};
}

}  // namespace rdusim::cli
