// clamp: x within [-limit, limit] (DBRX clips queries, keys and values).
#include "compiler/ops/op.h"

#include <algorithm>

#include "compiler/ops/elementwise.h"
#include "compiler/ops/operands.h"

namespace rdusim::compiler {
namespace {

Result<Shape> infer(const Graph& graph, const Node& node) {
  if (node.real("limit") < 0) return operand_error(node, "attribute limit is negative");
  const Value& x = operand(graph, node, 0);
  return matrix(x.shape.rows(), x.shape.cols());
}

OpCost cost(const Graph& graph, const Node& node) {
  return elementwise_cost(graph, node, 2);
}

Tensor reference(const ReferenceContext& context) {
  Tensor result = *context.inputs[0];
  const auto limit = static_cast<float>(context.node->real("limit"));
  for (float& v : result.values) v = std::clamp(v, -limit, limit);
  return rounded(context, std::move(result));
}

Status lower(Lowering& l, const Node& node) {
  const double limit = node.real("limit");
  return lower_elementwise(l, node, [limit](UnitBuilder& u, Register x) {
    return u.scalar_op(TileOpKind::kMinScalar, u.scalar_op(TileOpKind::kMaxScalar, x, -limit), limit);
  });
}

}  // namespace

const OpRecord kClampRecord = {
    .doc = "x [m,n] -> [m,n]: min(max(x, -limit), limit)",
    .attributes = {"limit"},
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
