// sub: elementwise difference.
#include "compiler/ops/op.h"

#include "compiler/ops/operands.h"
#include "compiler/passes/lowering.h"

namespace rdusim::compiler {
namespace {

Result<Shape> infer(const Graph& graph, const Node& node) {
  const Value& a = operand(graph, node, 0);
  RDU_CHECK_OK(expect_same_shape(node, a, operand(graph, node, 1)));
  return matrix(a.shape.rows(), a.shape.cols());
}

OpCost cost(const Graph& graph, const Node& node) {
  return elementwise_cost(graph, node, 1);
}

Tensor reference(const ReferenceContext& context) {
  Tensor result = *context.inputs[0];
  const Tensor& b = *context.inputs[1];
  for (size_t i = 0; i < result.values.size(); ++i) result.values[i] -= b.values[i];
  return rounded(context, std::move(result));
}

Status lower(Lowering& l, const Node& node) {
  const Flow flow = l.flow(node.inputs[0]);
  const Stream a = l.activation(node.inputs[0]);
  const Stream b = l.activation(node.inputs[1]);
  UnitBuilder u = l.unit(UnitKind::kSimd, node);
  u.fire(flow.tokens());
  const Register ra = u.take(a, kEach);
  const Register rb = u.take(b, kEach);
  const Value& result = l.value(node.outputs[0]);
  l.define(node.outputs[0],
           u.emit(u.op(TileOpKind::kSub, {ra, rb}), flow.rows, result.shape.cols(), result.dtype), flow);
  return {};
}

}  // namespace

const OpRecord kSubRecord = {
    .doc = "a [m,n], b [m,n] -> [m,n]: a - b",
    .attributes = {},
    .min_inputs = 2,
    .max_inputs = 2,
    .infer = infer,
    .cost = cost,
    .reference = reference,
    .lower = lower,
    .cut_operands = "cc",
    .row_wise = true,
};

}  // namespace rdusim::compiler
