// entropy: of each row of counts taken as a distribution, in nats: H = -sum p ln p over p > 0. A row without
// counts has entropy 0.
#include "compiler/ops/op.h"

#include <cmath>

#include "compiler/ops/elementwise.h"
#include "compiler/ops/operands.h"
#include "compiler/passes/lowering.h"

namespace rdusim::compiler {
namespace {

Result<Shape> infer(const Graph& graph, const Node& node) {
  return matrix(operand(graph, node, 0).shape.rows(), 1);
}

// Sum, divide, logarithm, product, sum.
OpCost cost(const Graph& graph, const Node& node) {
  return elementwise_cost(graph, node, 5);
}

Tensor reference(const ReferenceContext& context) {
  const Tensor& counts = *context.inputs[0];
  Tensor result(counts.rows(), 1);
  for (int64_t r = 0; r < counts.rows(); ++r) {
    float total = 0;
    for (int64_t c = 0; c < counts.cols(); ++c) total += counts.at(r, c);
    float entropy = 0;
    for (int64_t c = 0; c < counts.cols(); ++c) {
      const float count = counts.at(r, c);
      if (count > 0) entropy -= count / total * std::log(count / total);
    }
    result.at(r, 0) = entropy;
  }
  return rounded(context, std::move(result));
}

Status lower(Lowering& l, const Node& node) {
  return lower_elementwise(l, node, [](UnitBuilder& u, Register counts) {
    const Register p = u.op(TileOpKind::kDiv, {counts, u.op(TileOpKind::kRowSum, {counts})});
    // 0 * log(tiny) = 0, as the definition wants for classes without votes.
    const Register log_p = u.op(TileOpKind::kLog, {u.scalar_op(TileOpKind::kMaxScalar, p, 1e-30)});
    return u.op(TileOpKind::kNeg, {u.op(TileOpKind::kRowSum, {u.op(TileOpKind::kMul, {p, log_p})})});
  });
}

}  // namespace

const OpRecord kEntropyRecord = {
    .doc = "counts [m,C] -> [m,1]: -sum p ln p with p = counts / sum(counts)",
    .attributes = {},
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = infer,
    .cost = cost,
    .reference = reference,
    .lower = lower,
    .row_wise = true,
};

}  // namespace rdusim::compiler
