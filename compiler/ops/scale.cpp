// scale: x times a number (embedding and logit multipliers). The number is FP32; one rounding at the end.
#include "compiler/ops/op.h"

#include "compiler/ops/operands.h"
#include "compiler/passes/lowering.h"

namespace rdusim::compiler {
namespace {

Result<Shape> infer(const Graph& graph, const Node& node) {
  const Value& x = operand(graph, node, 0);
  return matrix(x.shape.rows(), x.shape.cols());
}

OpCost cost(const Graph& graph, const Node& node) {
  return elementwise_cost(graph, node, 1);
}

Tensor reference(const ReferenceContext& context) {
  Tensor result = *context.inputs[0];
  const auto scale = static_cast<float>(context.node->real("scale"));
  for (float& v : result.values) v *= scale;
  return rounded(context, std::move(result));
}

Status lower(Lowering& l, const Node& node) {
  const Flow flow = l.flow(node.inputs[0]);
  const Stream x = l.activation(node.inputs[0]);
  const Value& result = l.value(node.outputs[0]);
  UnitBuilder u = l.unit(UnitKind::kSimd, node);
  u.fire(flow.tokens());
  const Register in = u.take(x, kEach);
  const Register y = u.scalar_op(TileOpKind::kMulScalar, in, node.real("scale"));
  l.define(node.outputs[0], u.emit(y, flow.rows, result.shape.cols(), result.dtype), flow);
  return {};
}

}  // namespace

const OpRecord kScaleRecord = {
    .doc = "x [m,n] -> [m,n]: scale x",
    .attributes = {"scale"},
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = infer,
    .cost = cost,
    .reference = reference,
    .lower = lower,
    .cut_operands = "c",
};

}  // namespace rdusim::compiler
