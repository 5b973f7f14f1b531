// cross_entropy: the loss of each row, -log softmax(logits)[target].
#include "compiler/ops/op.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "compiler/ops/operands.h"
#include "compiler/ops/targets.h"
#include "compiler/passes/lowering.h"

namespace rdusim::compiler {
namespace {

Result<Shape> infer(const Graph& graph, const Node& node) {
  RDU_CHECK_OK(expect_targets(graph, node));
  return matrix(operand(graph, node, 0).shape.rows(), 1);
}

OpCost cost(const Graph& graph, const Node& node) {
  return elementwise_cost(graph, node, 4);
}

Tensor reference(const ReferenceContext& context) {
  const Tensor& logits = *context.inputs[0];
  const Tensor& targets = *context.inputs[1];
  Tensor result(logits.rows(), 1);
  for (int64_t r = 0; r < logits.rows(); ++r) {
    const auto target = static_cast<int64_t>(targets.at(r, 0));
    RDU_CHECK(target >= 0 && target < logits.cols(), "{}: target {} of {}", context.node->name, target,
              logits.cols());
    float largest = logits.at(r, 0);
    for (int64_t c = 1; c < logits.cols(); ++c) largest = std::max(largest, logits.at(r, c));
    float sum = 0;
    for (int64_t c = 0; c < logits.cols(); ++c) sum += std::exp(logits.at(r, c) - largest);
    result.at(r, 0) = std::log(sum) - (logits.at(r, target) - largest);
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
  const Register shifted = u.op(TileOpKind::kSub, {x, u.op(TileOpKind::kRowMax, {x})});
  const Register sum = u.op(TileOpKind::kRowSum, {u.op(TileOpKind::kExp, {shifted})});
  const Register chosen = u.op(TileOpKind::kLookup, {shifted, target});
  const Register loss = u.op(TileOpKind::kSub, {u.op(TileOpKind::kLog, {sum}), chosen});
  l.define(node.outputs[0], u.emit(loss, flow.rows, 1, l.value(node.outputs[0]).dtype), flow);
  return {};
}

}  // namespace

const OpRecord kCrossEntropyRecord = {
    .doc = "logits [m,V], targets [m,1] -> [m,1]: the cross-entropy of each row",
    .attributes = {},
    .min_inputs = 2,
    .max_inputs = 2,
    .infer = infer,
    .cost = cost,
    .reference = reference,
    .lower = lower,
};

}  // namespace rdusim::compiler
