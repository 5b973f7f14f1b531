// rms_norm: y_i = g_i x_i / sqrt(mean_j x_j^2 + eps). Statistics and scale in FP32, one rounding at the end.
// (The Hugging Face class also rounds before it multiplies by g: a difference of at most one BF16 step.)
#include "compiler/ops/op.h"

#include <cmath>

#include "compiler/ops/operands.h"
#include "compiler/passes/lowering.h"

namespace rdusim::compiler {
namespace {

Result<Shape> infer(const Graph& graph, const Node& node) {
  const Value& x = operand(graph, node, 0);
  const Value& gain = operand(graph, node, 1);
  RDU_CHECK_OK(expect_rows(node, "gain", gain, 1));
  RDU_CHECK_OK(expect_cols(node, "gain", gain, x.shape.cols()));
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
  const auto eps = static_cast<float>(context.node->real("eps"));
  Tensor result(x.rows(), x.cols());
  for (int64_t r = 0; r < x.rows(); ++r) {
    float squares = 0;
    for (int64_t c = 0; c < x.cols(); ++c) squares += x.at(r, c) * x.at(r, c);
    const float scale = 1.0F / std::sqrt(squares / static_cast<float>(x.cols()) + eps);
    for (int64_t c = 0; c < x.cols(); ++c) result.at(r, c) = x.at(r, c) * scale * gain.at(0, c);
  }
  return rounded(context, std::move(result));
}

Status lower(Lowering& l, const Node& node) {
  const Flow flow = l.flow(node.inputs[0]);
  const Stream x = l.activation(node.inputs[0]);
  const Stream gain = l.whole(node.inputs[1]);
  const Value& result = l.value(node.outputs[0]);
  const int64_t width = result.shape.cols();
  UnitBuilder u = l.unit(UnitKind::kSimd, node);
  u.fire(flow.tokens());
  const Register rx = u.take(x, kEach);
  const Register rg = u.take(gain, first_of(flow.tokens()));
  const Register mean =
      u.scalar_op(TileOpKind::kMulScalar, u.op(TileOpKind::kRowSum, {u.op(TileOpKind::kMul, {rx, rx})}),
                  1.0 / static_cast<double>(width));
  const Register scale =
      u.op(TileOpKind::kRsqrt, {u.scalar_op(TileOpKind::kAddScalar, mean, node.real("eps"))});
  const Register y = u.op(TileOpKind::kMul, {u.op(TileOpKind::kMul, {rx, scale}), rg});
  l.define(node.outputs[0], u.emit(y, flow.rows, width, result.dtype), flow);
  return {};
}

}  // namespace

const OpRecord kRmsNormRecord = {
    .doc = "x [m,h], g [1,h] -> [m,h]: g x / sqrt(mean(x^2) + eps), row by row",
    .attributes = {"eps"},
    .min_inputs = 2,
    .max_inputs = 2,
    .infer = infer,
    .cost = cost,
    .reference = reference,
    .lower = lower,
    .row_wise = true,
};

}  // namespace rdusim::compiler
