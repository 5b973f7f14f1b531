// swiglu: SiLU(gate) * up with SiLU(z) = z / (1 + e^-z); the SiLU stays in FP32, one rounding at the end.
#include "compiler/ops/op.h"

#include <cmath>

#include "compiler/ops/elementwise.h"
#include "compiler/ops/operands.h"
#include "compiler/passes/lowering.h"

namespace rdusim::compiler {
namespace {

// exp, add, divide, multiply.
OpCost cost(const Graph& graph, const Node& node) {
  return elementwise_cost(graph, node, 4);
}

Tensor reference(const ReferenceContext& context) {
  const Tensor& gate = *context.inputs[0];
  const Tensor& up = *context.inputs[1];
  Tensor result(gate.rows(), gate.cols());
  for (size_t i = 0; i < result.values.size(); ++i) {
    const float z = gate.values[i];
    result.values[i] = z / (1.0F + std::exp(-z)) * up.values[i];
  }
  return rounded(context, std::move(result));
}

Status lower(Lowering& l, const Node& node) {
  return lower_elementwise(l, node, is_kept_row(l.value(node.inputs[1])),
                           [](UnitBuilder& u, Register gate, Register up) {
                             const Register sigmoid = u.op(TileOpKind::kSigmoid, {gate});
                             return u.op(TileOpKind::kMul, {u.op(TileOpKind::kMul, {gate, sigmoid}), up});
                           });
}

}  // namespace

const OpRecord kSwiGluRecord = {
    .doc = "gate [m,f], up [m,f] -> [m,f]: gate * sigmoid(gate) * up",
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
