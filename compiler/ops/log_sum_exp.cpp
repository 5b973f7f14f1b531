// log_sum_exp: of each row, log sum exp x. Of a row that is cut: the same of what it gives for the parts.
#include "compiler/ops/op.h"

#include <algorithm>
#include <cmath>

#include "compiler/ops/elementwise.h"
#include "compiler/ops/operands.h"
#include "compiler/passes/lowering.h"

namespace rdusim::compiler {
namespace {

Result<Shape> infer(const Graph& graph, const Node& node) {
  return matrix(operand(graph, node, 0).shape.rows(), 1);
}

// Largest, difference, exponential, sum.
OpCost cost(const Graph& graph, const Node& node) {
  return elementwise_cost(graph, node, 4);
}

Tensor reference(const ReferenceContext& context) {
  const Tensor& x = *context.inputs[0];
  Tensor result(x.rows(), 1);
  for (int64_t r = 0; r < x.rows(); ++r) {
    float largest = x.at(r, 0);
    for (int64_t c = 1; c < x.cols(); ++c) largest = std::max(largest, x.at(r, c));
    float sum = 0;
    for (int64_t c = 0; c < x.cols(); ++c) sum += std::exp(x.at(r, c) - largest);
    result.at(r, 0) = std::log(sum) + largest;
  }
  return rounded(context, std::move(result));
}

Status lower(Lowering& l, const Node& node) {
  return lower_elementwise(l, node, [](UnitBuilder& u, Register x) {
    const Register largest = u.op(TileOpKind::kRowMax, {x});
    const Register sum =
        u.op(TileOpKind::kRowSum, {u.op(TileOpKind::kExp, {u.op(TileOpKind::kSub, {x, largest})})});
    return u.op(TileOpKind::kAdd, {u.op(TileOpKind::kLog, {sum}), largest});
  });
}

}  // namespace

const OpRecord kLogSumExpRecord = {
    .doc = "x [m,n] -> [m,1]: log sum exp of each row",
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
