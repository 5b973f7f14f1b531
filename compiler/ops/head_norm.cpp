// head_norm: rms_norm of every head for itself, with one gain for all heads (the query-key norm of Qwen3 and
// others): y_i = g_(i mod d) x_i / sqrt(mean of x^2 over the head + eps). Statistics and scale in FP32, one
// rounding at the end.
#include "compiler/ops/op.h"

#include <cmath>

#include "compiler/ops/elementwise.h"
#include "compiler/ops/operands.h"
#include "compiler/passes/lowering.h"

namespace rdusim::compiler {
namespace {

Result<Shape> infer(const Graph& graph, const Node& node) {
  const Value& x = operand(graph, node, 0);
  const Value& gain = operand(graph, node, 1);
  RDU_CHECK_OK(expect_positive(node, {"head_dim"}));
  const int64_t head_dim = node.integer("head_dim");
  RDU_CHECK_OK(expect_whole_heads(node, x));
  RDU_CHECK_OK(expect_rows(node, "gain", gain, 1));
  RDU_CHECK_OK(expect_cols(node, "gain", gain, head_dim));
  if (node.real("eps") < 0) return operand_error(node, "attribute eps is negative");
  return matrix(x.shape.rows(), x.shape.cols());
}

// Square and sum (2), scale (1), gain (1) for each element.
OpCost cost(const Graph& graph, const Node& node) {
  return elementwise_cost(graph, node, 4);
}

Tensor reference(const ReferenceContext& context) {
  const Tensor& x = *context.inputs[0];
  const Tensor& gain = *context.inputs[1];
  const int64_t head_dim = context.node->integer("head_dim");
  const auto eps = static_cast<float>(context.node->real("eps"));
  Tensor result(x.rows(), x.cols());
  for (int64_t r = 0; r < x.rows(); ++r) {
    for (int64_t head = 0; head < x.cols(); head += head_dim) {
      float squares = 0;
      for (int64_t i = 0; i < head_dim; ++i) squares += x.at(r, head + i) * x.at(r, head + i);
      const float scale = 1.0F / std::sqrt(squares / static_cast<float>(head_dim) + eps);
      for (int64_t i = 0; i < head_dim; ++i)
        result.at(r, head + i) = x.at(r, head + i) * scale * gain.at(0, i);
    }
  }
  return rounded(context, std::move(result));
}

// Rows become (row, head) pairs, as in rope: then it is rms_norm.
Status lower(Lowering& l, const Node& node) {
  const int64_t head_dim = node.integer("head_dim");
  const int64_t width = l.value(node.inputs[0]).shape.cols();
  constexpr bool kGainIsKept = true;
  return lower_elementwise(l, node, kGainIsKept, [&](UnitBuilder& u, Register x, Register gain) {
    const Register heads = u.op(TileOpKind::kReshape, {x}, head_dim);
    const Register mean = u.scalar_op(TileOpKind::kMulScalar,
                                      u.op(TileOpKind::kRowSum, {u.op(TileOpKind::kMul, {heads, heads})}),
                                      1.0 / static_cast<double>(head_dim));
    const Register scale =
        u.op(TileOpKind::kRsqrt, {u.scalar_op(TileOpKind::kAddScalar, mean, node.real("eps"))});
    const Register scaled = u.op(TileOpKind::kMul, {u.op(TileOpKind::kMul, {heads, scale}), gain});
    return u.op(TileOpKind::kReshape, {scaled}, width);
  });
}

}  // namespace

const OpRecord kHeadNormRecord = {
    .doc = "x [m,H*d], gain [1,d] -> [m,H*d]: rms_norm of each head of each row; one gain for all heads",
    .attributes = {"eps", "head_dim"},
    .min_inputs = 2,
    .max_inputs = 2,
    .infer = infer,
    .cost = cost,
    .reference = reference,
    .lower = lower,
    .cut_operands = "cw",
    .cut_granule = "head_dim",
    .row_wise = true,
};

}  // namespace rdusim::compiler
