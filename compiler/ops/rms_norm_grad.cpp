// rms_norm_grad: the gradient of an RMSNorm's gain: the sum over all rows of dy x / sqrt(mean x^2 + eps).
#include "compiler/ops/op.h"

#include <cmath>

#include "compiler/ops/operands.h"
#include "compiler/passes/lowering.h"

namespace rdusim::compiler {
namespace {

Result<Shape> infer(const Graph& graph, const Node& node) {
  const Value& x = operand(graph, node, 0);
  RDU_CHECK_OK(expect_same_shape(node, x, operand(graph, node, 1)));
  return matrix(1, x.shape.cols());
}

OpCost cost(const Graph& graph, const Node& node) {
  return elementwise_cost(graph, node, 5);
}

Tensor reference(const ReferenceContext& context) {
  const Tensor& x = *context.inputs[0];
  const Tensor& dy = *context.inputs[1];
  const auto eps = static_cast<float>(context.node->real("eps"));
  Tensor result(1, x.cols());
  for (int64_t i = 0; i < x.rows(); ++i) {
    float squares = 0;
    for (int64_t c = 0; c < x.cols(); ++c) squares += x.at(i, c) * x.at(i, c);
    const float r = 1.0F / std::sqrt(squares / static_cast<float>(x.cols()) + eps);
    for (int64_t c = 0; c < x.cols(); ++c) result.at(0, c) += dy.at(i, c) * x.at(i, c) * r;
  }
  return rounded(context, std::move(result));
}

Status lower(Lowering& l, const Node& node) {
  const Flow flow = l.flow(node.inputs[0]);
  const Stream x = l.activation(node.inputs[0]);
  const Stream dy = l.activation(node.inputs[1]);
  const Value& result = l.value(node.outputs[0]);
  UnitBuilder u = l.unit(UnitKind::kSimd, node);
  u.fire(flow.tokens());
  const Register rx = u.take(x, kEach);
  const Register rd = u.take(dy, kEach);
  const Register sum = u.op(TileOpKind::kRowSum, {u.op(TileOpKind::kMul, {rx, rx})});
  const Register mean =
      u.scalar_op(TileOpKind::kMulScalar, sum, 1.0 / static_cast<double>(result.shape.cols()));
  const Register r = u.op(TileOpKind::kRsqrt, {u.scalar_op(TileOpKind::kAddScalar, mean, node.real("eps"))});
  const Register part = u.op(TileOpKind::kMul, {u.op(TileOpKind::kMul, {rd, rx}), r});
  const Stream all = u.emit(u.op(TileOpKind::kColSum, {part}), 1, result.shape.cols(), result.dtype,
                            {last_of(flow.tokens()), Accumulate::kSum, flow.tokens(), 0});
  l.define(node.outputs[0], all, Flow{1, 1, 1});
  return {};
}

}  // namespace

const OpRecord kRmsNormGradRecord = {
    .doc = "x [m,h], dy [m,h] -> [1,h]: the gradient of an rms_norm's gain",
    .attributes = {"eps"},
    .min_inputs = 2,
    .max_inputs = 2,
    .infer = infer,
    .cost = cost,
    .reference = reference,
    .lower = lower,
};

}  // namespace rdusim::compiler
