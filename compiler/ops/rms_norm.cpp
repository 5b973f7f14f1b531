// rms_norm: y_i = g_i x_i / sqrt(mean_j x_j^2 + eps). Statistics and scale in FP32, one rounding at the end.
// (The Hugging Face class also rounds before it multiplies by g: a difference of at most one BF16 step.)
#include "compiler/ops/rms.h"

namespace rdusim::compiler {
namespace {

Result<Shape> infer(const Graph& graph, const Node& node) {
  return infer_rms(graph, node, operand(graph, node, 0).shape.cols());
}

Tensor reference(const ReferenceContext& context) {
  return reference_rms(context, context.inputs[0]->cols());
}

Status lower(Lowering& l, const Node& node) {
  constexpr bool kGainIsKept = true;
  const int64_t width = l.value(node.inputs[0]).shape.cols();
  return lower_elementwise(l, node, kGainIsKept, [&](UnitBuilder& u, Register x, Register gain) {
    return rms_normed(u, node, x, gain, width);
  });
}

}  // namespace

const OpRecord kRmsNormRecord = {
    .doc = "x [m,h], g [1,h] -> [m,h]: g x / sqrt(mean(x^2) + eps), row by row",
    .attributes = {"eps"},
    .min_inputs = 2,
    .max_inputs = 2,
    .infer = infer,
    .cost = cost_of_rms,
    .reference = reference,
    .lower = lower,
    .row_wise = true,
};

}  // namespace rdusim::compiler
