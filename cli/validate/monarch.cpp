// Group monarch: operational intensity of a Monarch convolution at three levels of fusion (P Table I), by the
// bytes that our compiled programs move. The figure that gives the example's shapes is not public text.
// Assumed: the convolution of order two, four products with a multiplication behind the first three and a
// transpose behind the first and third; the side n of its matrices is the one free number, chosen to meet the
// fully fused intensity (2 n + 0.75 FLOP/byte when tables are read once). "Gemm0-Mul-Transpose" is taken as
// fusing every product with what follows it: four kernels.
#include <fmt/format.h>

#include <numeric>

#include "cli/inputs.h"
#include "cli/validate/groups.h"
#include "compiler/compile.h"
#include "sim/simulator.h"

namespace rdusim::cli {
namespace {

using compiler::OpKind;

constexpr int64_t kSide = 205;        // fitted, see above
constexpr int64_t kSequences = 1024;  // assumed: enough that tables are below 1 % of the bytes

Result<compiler::Graph> monarch_graph() {
  compiler::Graph empty;
  empty.name = fmt::format("monarch.n{}", kSide);
  empty.phase = "encode";
  empty.batch = kSequences;
  empty.query_tokens = kSide;
  compiler::GraphBuilder builder(std::move(empty));
  const auto table = [&](const std::string& name) {
    return builder.add_source(name, Shape{{kSide, kSide}}, DType::kBf16, SymbolRole::kWeight, name);
  };
  ValueId x =
      builder.add_source("x", Shape{{kSequences * kSide, kSide}}, DType::kBf16, SymbolRole::kInput, "x");
  // A layer a product with what follows it: the middle level of fusion.
  for (int64_t i = 0; i < 4; ++i) {
    builder.set_layer(i);
    RDU_ASSIGN(x,
               builder.add(OpKind::kLinear, fmt::format("gemm{}", i), {x, table(fmt::format("dft{}", i))}));
    if (i < 3) {
      RDU_ASSIGN(x, builder.add(OpKind::kMul, fmt::format("mul{}", i), {x, table(fmt::format("t{}", i))}));
    }
    if (i % 2 == 0) {
      RDU_ASSIGN(x, builder.add(OpKind::kTranspose, fmt::format("transpose{}", i), {x}));
    }
  }
  builder.set_role(x, SymbolRole::kOutput);
  return std::move(builder).take();
}

// FLOPs over the bytes between the chip and its memories.
Result<double> intensity(const compiler::Graph& graph, compiler::Fusion fusion, const ChosenNode& chosen) {
  compiler::CompileOptions options;
  options.fusion = fusion;
  RDU_ASSIGN(const Program program, compiler::compile(graph, chosen.node.chip, options));
  sim::RunOptions run;
  run.fidelity = Fidelity::kAnalytic;
  RDU_ASSIGN(const RunResult result, sim::run(program, chosen.node, chosen.stack, run));
  int64_t bytes = 0;
  for (const Wire wire : {Wire::kHbm, Wire::kDdr}) {
    const CauseCounts& counts = result.bytes[static_cast<size_t>(wire)];
    bytes = std::accumulate(counts.begin(), counts.end(), bytes);
  }
  return static_cast<double>(program.flops) / static_cast<double>(bytes);
}

}  // namespace

Result<ValidationRows> monarch_rows(ValidationContext& context) {
  RDU_ASSIGN(auto chosen, load_node_and_stack(context.session, {"sn40l-8", ""}));
  chosen.node.sockets = 1;
  RDU_ASSIGN(compiler::Graph graph, monarch_graph());
  RDU_ASSIGN(const double none, intensity(graph, compiler::Fusion::kNone, chosen));
  RDU_ASSIGN(const double products, intensity(graph, compiler::Fusion::kLayer, chosen));
  for (compiler::Node& node : graph.nodes) node.layer = 0;
  RDU_ASSIGN(const double all, intensity(graph, compiler::Fusion::kLayer, chosen));
  const char* command = "rdusim validate --group monarch";
  const char* source = "P Table I; shapes assumed, side fitted to the last row";
  // The last row is what the side was fitted to, so it is no result and not judged. Nor is the first: it
  // hangs on which operators the figure has. Published none: 10.39 times the fused bytes; nine operators that
  // read and write once make 9.0, and 10.5 if the three multiplications read factors of the whole size.
  return ValidationRows{{"monarch-intensity-none",
                         "operational intensity, no fusion",
                         source,
                         Published::exactly(39.5),
                         none,
                         "FLOP/B",
                         {},
                         command,
                         ""},
                        {"monarch-intensity-gemm-mul-transpose", "operational intensity, Gemm0-Mul-Transpose",
                         source, Published::exactly(102.6), products, "FLOP/B", 5, command, ""},
                        {"monarch-intensity-fused",
                         "operational intensity, fully fused",
                         source,
                         Published::exactly(410.4),
                         all,
                         "FLOP/B",
                         {},
                         command,
                         ""}};
}

}  // namespace rdusim::cli
