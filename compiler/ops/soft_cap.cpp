// soft_cap: cap tanh(x / cap), which keeps logits within the cap (Gemma-2, Grok-1).
#include "compiler/ops/op.h"

#include <cmath>

#include "compiler/ops/elementwise.h"
#include "compiler/ops/operands.h"

namespace rdusim::compiler {
namespace {

Result<Shape> infer(const Graph& graph, const Node& node) {
  if (node.real("cap") <= 0) return operand_error(node, "attribute cap is not above 0");
  const Value& x = operand(graph, node, 0);
  return matrix(x.shape.rows(), x.shape.cols());
}

OpCost cost(const Graph& graph, const Node& node) {
  return elementwise_cost(graph, node, 3);
}

Tensor reference(const ReferenceContext& context) {
  Tensor result = *context.inputs[0];
  const auto cap = static_cast<float>(context.node->real("cap"));
  for (float& v : result.values) v = cap * std::tanh(v * (1.0F / cap));
  return rounded(context, std::move(result));
}

Status lower(Lowering& l, const Node& node) {
  const double cap = node.real("cap");
  return lower_elementwise(l, node, [cap](UnitBuilder& u, Register x) {
    const Register t = u.op(TileOpKind::kTanh, {u.scalar_op(TileOpKind::kMulScalar, x, 1.0 / cap)});
    return u.scalar_op(TileOpKind::kMulScalar, t, cap);
  });
}

}  // namespace

const OpRecord kSoftCapRecord = {
    .doc = "x [m,n] -> [m,n]: cap tanh(x / cap)",
    .attributes = {"cap"},
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = infer,
    .cost = cost,
    .reference = reference,
    .lower = lower,
    .cut_operands = "c",
    .row_wise = true,
};

}  // namespace rdusim::compiler
