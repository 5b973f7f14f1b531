// cross_entropy_back: the gradient of the mean cross-entropy: scale (softmax(logits) - 1 at the target).
#include "compiler/ops/op.h"

#include "base/check.h"
#include "compiler/ops/attention.h"
#include "compiler/ops/operands.h"
#include "compiler/ops/targets.h"
#include "compiler/passes/lowering.h"

namespace rdusim::compiler {
namespace {

Result<Shape> infer(const Graph& graph, const Node& node) {
  RDU_CHECK_OK(expect_targets(graph, node));
  const Value& logits = operand(graph, node, 0);
  return matrix(logits.shape.rows(), logits.shape.cols());
}

OpCost cost(const Graph& graph, const Node& node) {
  return elementwise_cost(graph, node, 6);
}

Tensor reference(const ReferenceContext& context) {
  const Tensor& logits = *context.inputs[0];
  const Tensor& targets = *context.inputs[1];
  const auto scale = static_cast<float>(context.node->real("scale"));
  Tensor result(logits.rows(), logits.cols());
  for (int64_t r = 0; r < logits.rows(); ++r) {
    std::vector<float> row;
    for (int64_t c = 0; c < logits.cols(); ++c) row.push_back(logits.at(r, c));
    const std::vector<float> p = softmax(std::move(row));
    for (int64_t c = 0; c < logits.cols(); ++c) {
      const float target = static_cast<int64_t>(targets.at(r, 0)) == c ? 1.0F : 0.0F;
      result.at(r, c) = scale * (p[static_cast<size_t>(c)] - target);
    }
  }
  return rounded(context, std::move(result));
}

Status lower(Lowering& l, const Node& node) {
  const Flow flow = l.flow(node.inputs[0]);
  const Stream logits = l.activation(node.inputs[0]);
  const Stream targets = l.activation(node.inputs[1]);
  UnitBuilder u = l.unit(UnitKind::kSimd, node);
  u.fire(flow.tokens());
  const Register x = u.take(logits, kEach);
  const Register target = u.take(targets, kEach);
  const auto op = [&](TileOpKind kind, std::initializer_list<Register> r) { return u.op(kind, r); };
  const Register e = op(TileOpKind::kExp, {op(TileOpKind::kSub, {x, op(TileOpKind::kRowMax, {x})})});
  const Register p = op(TileOpKind::kMul, {e, op(TileOpKind::kReciprocal, {op(TileOpKind::kRowSum, {e})})});
  // A row of columns and a column of targets: 1 at the target, [rows, V] through the sum with p's zeros.
  const Register columns =
      op(TileOpKind::kAdd, {u.scalar_op(TileOpKind::kMulScalar, p, 0.0), op(TileOpKind::kColIndex, {x})});
  const Register at = op(TileOpKind::kCmpEqual, {columns, target});
  const Register y = u.scalar_op(TileOpKind::kMulScalar, op(TileOpKind::kSub, {p, at}), node.real("scale"));
  const Value& result = l.value(node.outputs[0]);
  l.define(node.outputs[0], u.emit(y, flow.rows, result.shape.cols(), result.dtype), flow);
  return {};
}

}  // namespace

const OpRecord kCrossEntropyBackRecord = {
    .doc = "logits [m,V], targets [m,1] -> [m,V]: scale (softmax - 1 at the target)",
    .attributes = {"scale"},
    .min_inputs = 2,
    .max_inputs = 2,
    .infer = infer,
    .cost = cost,
    .reference = reference,
    .lower = lower,
};

}  // namespace rdusim::compiler
