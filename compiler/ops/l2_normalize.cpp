// l2_normalize: each row divided by its Euclidean norm; a row of zeros stays zero.
#include "compiler/ops/op.h"

#include <cmath>

#include "compiler/ops/elementwise.h"
#include "compiler/ops/operands.h"
#include "compiler/passes/lowering.h"

namespace rdusim::compiler {
namespace {

// Square and sum (2), scale (1) for each element.
OpCost cost(const Graph& graph, const Node& node) {
  return elementwise_cost(graph, node, 3);
}

Tensor reference(const ReferenceContext& context) {
  const Tensor& x = *context.inputs[0];
  Tensor result(x.rows(), x.cols());
  for (int64_t r = 0; r < x.rows(); ++r) {
    float squares = 0;
    for (int64_t c = 0; c < x.cols(); ++c) squares += x.at(r, c) * x.at(r, c);
    const float scale = squares > 0 ? 1.0F / std::sqrt(squares) : 0.0F;
    for (int64_t c = 0; c < x.cols(); ++c) result.at(r, c) = x.at(r, c) * scale;
  }
  return rounded(context, std::move(result));
}

Status lower(Lowering& l, const Node& node) {
  return lower_elementwise(l, node, [](UnitBuilder& u, Register x) {
    const Register sum = u.op(TileOpKind::kRowSum, {u.op(TileOpKind::kMul, {x, x})});
    // A zero row stays zero: 0 * rsqrt(1e-30).
    const Register scale = u.op(TileOpKind::kRsqrt, {u.scalar_op(TileOpKind::kMaxScalar, sum, 1e-30)});
    return u.op(TileOpKind::kMul, {x, scale});
  });
}

}  // namespace

const OpRecord kL2NormalizeRecord = {
    .doc = "x [m,n] -> [m,n]: x / |x|, row by row; a zero row stays zero",
    .attributes = {},
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = infer_elementwise,
    .cost = cost,
    .reference = reference,
    .lower = lower,
    .row_wise = true,
};

}  // namespace rdusim::compiler
