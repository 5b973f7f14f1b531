// rms_norm_back: the gradient of an RMSNorm's input. With r = 1 / sqrt(mean x^2 + eps) and g = gain dy:
//
//   dx = r g - x r^3 mean(g x)
#include "compiler/ops/op.h"

#include <cmath>

#include "compiler/ops/operands.h"
#include "compiler/passes/lowering.h"

namespace rdusim::compiler {
namespace {

Result<Shape> infer(const Graph& graph, const Node& node) {
  const Value& x = operand(graph, node, 0);
  RDU_CHECK_OK(expect_rows(node, "gain", operand(graph, node, 1), 1));
  RDU_CHECK_OK(expect_cols(node, "gain", operand(graph, node, 1), x.shape.cols()));
  RDU_CHECK_OK(expect_same_shape(node, x, operand(graph, node, 2)));
  return matrix(x.shape.rows(), x.shape.cols());
}

OpCost cost(const Graph& graph, const Node& node) {
  return elementwise_cost(graph, node, 8);
}

Tensor reference(const ReferenceContext& context) {
  const Tensor& x = *context.inputs[0];
  const Tensor& gain = *context.inputs[1];
  const Tensor& dy = *context.inputs[2];
  const auto eps = static_cast<float>(context.node->real("eps"));
  const auto n = static_cast<float>(x.cols());
  Tensor result(x.rows(), x.cols());
  for (int64_t i = 0; i < x.rows(); ++i) {
    float squares = 0;
    float dot = 0;
    for (int64_t c = 0; c < x.cols(); ++c) {
      squares += x.at(i, c) * x.at(i, c);
      dot += gain.at(0, c) * dy.at(i, c) * x.at(i, c);
    }
    const float r = 1.0F / std::sqrt(squares / n + eps);
    for (int64_t c = 0; c < x.cols(); ++c)
      result.at(i, c) = r * gain.at(0, c) * dy.at(i, c) - x.at(i, c) * r * r * r * (dot / n);
  }
  return rounded(context, std::move(result));
}

Status lower(Lowering& l, const Node& node) {
  const Flow flow = l.flow(node.inputs[0]);
  const Stream x = l.activation(node.inputs[0]);
  const Stream gain = l.whole(node.inputs[1]);
  const Stream dy = l.activation(node.inputs[2]);
  const Value& result = l.value(node.outputs[0]);
  const double mean = 1.0 / static_cast<double>(result.shape.cols());
  UnitBuilder u = l.unit(UnitKind::kSimd, node);
  u.fire(flow.tokens());
  const Register rx = u.take(x, kEach);
  const Register rg = u.take(gain, first_of(flow.tokens()));
  const Register rd = u.take(dy, kEach);
  const auto op = [&](TileOpKind kind, std::initializer_list<Register> r) { return u.op(kind, r); };
  const auto row_mean = [&](Register v) {
    return u.scalar_op(TileOpKind::kMulScalar, op(TileOpKind::kRowSum, {v}), mean);
  };
  const Register g = op(TileOpKind::kMul, {rd, rg});
  const Register squares = row_mean(op(TileOpKind::kMul, {rx, rx}));
  const Register r = op(TileOpKind::kRsqrt, {u.scalar_op(TileOpKind::kAddScalar, squares, node.real("eps"))});
  const Register cube = op(TileOpKind::kMul, {r, op(TileOpKind::kMul, {r, r})});
  const Register along = op(TileOpKind::kMul, {cube, row_mean(op(TileOpKind::kMul, {g, rx}))});
  const Register dx = op(TileOpKind::kSub, {op(TileOpKind::kMul, {g, r}), op(TileOpKind::kMul, {rx, along})});
  l.define(node.outputs[0], u.emit(dx, flow.rows, result.shape.cols(), result.dtype), flow);
  return {};
}

}  // namespace

const OpRecord kRmsNormBackRecord = {
    .doc = "x [m,h], gain [1,h], dy [m,h] -> [m,h]: the gradient of an rms_norm's input",
    .attributes = {"eps"},
    .min_inputs = 3,
    .max_inputs = 3,
    .infer = infer,
    .cost = cost,
    .reference = reference,
    .lower = lower,
};

}  // namespace rdusim::compiler
