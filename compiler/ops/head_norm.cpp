// head_norm: rms_norm of every head for itself, with one gain for all heads (the query-key norm of Qwen3 and
// others): y_i = g_(i mod d) x_i / sqrt(mean of x^2 over the head + eps). Statistics and scale in FP32, one
// rounding at the end.
#include "compiler/ops/rms.h"

namespace rdusim::compiler {
namespace {

Result<Shape> infer(const Graph& graph, const Node& node) {
  RDU_CHECK_OK(expect_positive(node, {"head_dim"}));
  RDU_CHECK_OK(expect_whole_heads(node, operand(graph, node, 0)));
  return infer_rms(graph, node, node.integer("head_dim"));
}

Tensor reference(const ReferenceContext& context) {
  return reference_rms(context, context.node->integer("head_dim"));
}

// Rows become (row, head) pairs, as in rope: then it is rms_norm.
Status lower(Lowering& l, const Node& node) {
  const int64_t head_dim = node.integer("head_dim");
  const int64_t width = l.value(node.inputs[0]).shape.cols();
  constexpr bool kGainIsKept = true;
  return lower_elementwise(l, node, kGainIsKept, [&](UnitBuilder& u, Register x, Register gain) {
    const Register heads = u.op(TileOpKind::kReshape, {x}, head_dim);
    return u.op(TileOpKind::kReshape, {rms_normed(u, node, heads, gain, head_dim)}, width);
  });
}

}  // namespace

const OpRecord kHeadNormRecord = {
    .doc = "x [m,H*d], gain [1,d] -> [m,H*d]: rms_norm of each head of each row; one gain for all heads",
    .attributes = {"eps", "head_dim"},
    .min_inputs = 2,
    .max_inputs = 2,
    .infer = infer,
    .cost = cost_of_rms,
    .reference = reference,
    .lower = lower,
    .cut_operands = "cw",
    .cut_granule = "head_dim",
    .row_wise = true,
};

}  // namespace rdusim::compiler
