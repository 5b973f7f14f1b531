// sub: elementwise difference.
#include "compiler/ops/op.h"

#include "compiler/ops/elementwise.h"
#include "compiler/ops/operands.h"
#include "compiler/passes/lowering.h"

namespace rdusim::compiler {
namespace {

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
  return lower_binary(l, node, TileOpKind::kSub);
}

}  // namespace

const OpRecord kSubRecord = {
    .doc = "a [m,n], b [m,n] -> [m,n]: a - b",
    .attributes = {},
    .min_inputs = 2,
    .max_inputs = 2,
    .infer = infer_pairs,
    .cost = cost,
    .reference = reference,
    .lower = lower,
    .cut_operands = "cc",
    .row_wise = true,
};

}  // namespace rdusim::compiler
