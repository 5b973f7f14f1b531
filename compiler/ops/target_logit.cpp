// target_logit: of each row the logit of its target; 0 where the target lies in columns of another socket.
#include "compiler/ops/op.h"

#include "compiler/ops/operands.h"
#include "compiler/ops/targets.h"
#include "compiler/passes/lowering.h"

namespace rdusim::compiler {
namespace {

Result<Shape> infer(const Graph& graph, const Node& node) {
  RDU_CHECK_OK(expect_targets(graph, node));
  RDU_CHECK_OK(expect_first_column(graph, node, 2));
  return matrix(operand(graph, node, 0).shape.rows(), 1);
}

OpCost cost(const Graph& graph, const Node& node) {
  return OpCost{operand(graph, node, 0).shape.rows(), 0};
}

Tensor reference(const ReferenceContext& context) {
  const Tensor& logits = *context.inputs[0];
  Tensor result(logits.rows(), 1);
  for (int64_t r = 0; r < logits.rows(); ++r) {
    const auto column = static_cast<int64_t>(context.inputs[1]->at(r, 0) - context.inputs[2]->at(0, 0));
    result.at(r, 0) = column >= 0 && column < logits.cols() ? logits.at(r, column) : 0;
  }
  return rounded(context, std::move(result));
}

Status lower(Lowering& l, const Node& node) {
  const Flow flow = l.flow(node.inputs[0]);
  const Stream logits = l.activation(node.inputs[0]);
  const Stream targets = l.activation(node.inputs[1]);
  const Stream first = l.whole(node.inputs[2]);
  UnitBuilder u = l.unit(UnitKind::kSimd, node);
  u.fire(flow.tokens());
  const Register x = u.take(logits, kEach);
  const Register target = u.take(targets, kEach);
  const Register from = u.take(first, first_of(flow.tokens()));
  const Register chosen = u.op(TileOpKind::kLookup, {x, u.op(TileOpKind::kSub, {target, from})});
  l.define(node.outputs[0], u.emit(chosen, flow.rows, 1, l.value(node.outputs[0]).dtype), flow);
  return {};
}

}  // namespace

const OpRecord kTargetLogitRecord = {
    .doc =
        "logits [m,V], targets [m,1], number of the first column here [1,1] -> [m,1]: the target's logit, 0 "
        "if it is not here",
    .attributes = {},
    .min_inputs = 3,
    .max_inputs = 3,
    .infer = infer,
    .cost = cost,
    .reference = reference,
    .lower = lower,
};

}  // namespace rdusim::compiler
