// scale: x times a number (embedding and logit multipliers). The number is FP32; one rounding at the end.
#include "compiler/ops/op.h"

#include "compiler/ops/elementwise.h"
#include "compiler/ops/operands.h"

namespace rdusim::compiler {
namespace {

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
  const double scale = node.real("scale");
  return lower_elementwise(
      l, node, [scale](UnitBuilder& u, Register x) { return u.scalar_op(TileOpKind::kMulScalar, x, scale); });
}

}  // namespace

const OpRecord kScaleRecord = {
    .doc = "x [m,n] -> [m,n]: scale x",
    .attributes = {"scale"},
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = infer_elementwise,
    .cost = cost,
    .reference = reference,
    .lower = lower,
    .cut_operands = "c",
    .row_wise = true,
};

}  // namespace rdusim::compiler
