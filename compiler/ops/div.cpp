// div: elementwise quotient; the second operand may be a row [1,n], which is repeated.
#include "compiler/ops/op.h"

#include <functional>

#include "compiler/ops/elementwise.h"
#include "compiler/ops/operands.h"

namespace rdusim::compiler {
namespace {

OpCost cost(const Graph& graph, const Node& node) {
  return elementwise_cost(graph, node, 1);
}

Tensor reference(const ReferenceContext& context) {
  return reference_with_row(context, std::divides<>());
}

Status lower(Lowering& l, const Node& node) {
  return lower_binary(l, node, TileOpKind::kDiv);
}

}  // namespace

const OpRecord kDivRecord = {
    .doc = "a [m,n], b [m,n] or [1,n] -> [m,n]: a / b",
    .attributes = {},
    .min_inputs = 2,
    .max_inputs = 2,
    .infer = infer_with_row,
    .cost = cost,
    .reference = reference,
    .lower = lower,
    .cut_operands = "cc",
    .row_wise = true,
};

}  // namespace rdusim::compiler
