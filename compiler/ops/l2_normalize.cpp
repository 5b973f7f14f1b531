// l2_normalize: each row divided by its Euclidean norm; a row of zeros stays zero.
#include "compiler/ops/op.h"

#include <cmath>

#include "compiler/ops/operands.h"
#include "compiler/passes/lowering.h"

namespace rdusim::compiler {
namespace {

Result<Shape> infer(const Graph& graph, const Node& node) {
  const Value& x = operand(graph, node, 0);
  return matrix(x.shape.rows(), x.shape.cols());
}

// Square and sum (2), scale (1) for each element.
OpCost cost(const Graph& graph, const Node& node) {
  return elementwise_cost(graph, node, 3);
}

Tensor reference(const ReferenceContext& context) {
  const Tensor& x = *context.inputs[0];
  Tensor result(x.rows(), x.cols());
  for (int64_t r = 0; r < x.rows(); ++r) {
    float squares = 0;
    for (int64_t c = 0; c < x.cols(); ++c) squares += x.at(r, c) * x.at(r, c);
    const float scale = squares > 0 ? 1.0F / std::sqrt(squares) : 0.0F;
    for (int64_t c = 0; c < x.cols(); ++c) result.at(r, c) = x.at(r, c) * scale;
  }
  return rounded(context, std::move(result));
}

Status lower(Lowering& l, const Node& node) {
  const Flow flow = l.flow(node.inputs[0]);
  const Stream x = l.activation(node.inputs[0]);
  const Value& result = l.value(node.outputs[0]);
  UnitBuilder u = l.unit(UnitKind::kSimd, node);
  u.fire(flow.tokens());
  const Register rx = u.take(x, kEach);
  const Register sum = u.op(TileOpKind::kRowSum, {u.op(TileOpKind::kMul, {rx, rx})});
  // A zero row stays zero: 0 * rsqrt(1e-30).
  const Register scale = u.op(TileOpKind::kRsqrt, {u.scalar_op(TileOpKind::kMaxScalar, sum, 1e-30)});
  l.define(node.outputs[0],
           u.emit(u.op(TileOpKind::kMul, {rx, scale}), flow.rows, result.shape.cols(), result.dtype), flow);
  return {};
}

}  // namespace

const OpRecord kL2NormalizeRecord = {
    .doc = "x [m,n] -> [m,n]: x / |x|, row by row; a zero row stays zero",
    .attributes = {},
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = infer,
    .cost = cost,
    .reference = reference,
    .lower = lower,
    .row_wise = true,
};

}  // namespace rdusim::compiler
