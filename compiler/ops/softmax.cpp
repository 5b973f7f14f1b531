// softmax: of each row, in FP32, one rounding at the end. Attention has its own inside; this one is for heads
// of classifiers and the like.
#include "compiler/ops/op.h"

#include "compiler/ops/attention.h"
#include "compiler/ops/elementwise.h"
#include "compiler/ops/operands.h"

namespace rdusim::compiler {
namespace {

// Maximum, difference, exponential, sum, product.
OpCost cost(const Graph& graph, const Node& node) {
  return elementwise_cost(graph, node, 5);
}

Tensor reference(const ReferenceContext& context) {
  Tensor result = *context.inputs[0];
  for (int64_t r = 0; r < result.rows(); ++r) {
    std::vector<float> row;
    for (int64_t c = 0; c < result.cols(); ++c) row.push_back(result.at(r, c));
    row = softmax(std::move(row));
    for (int64_t c = 0; c < result.cols(); ++c) result.at(r, c) = row[static_cast<size_t>(c)];
  }
  return rounded(context, std::move(result));
}

Status lower(Lowering& l, const Node& node) {
  return lower_elementwise(l, node, [](UnitBuilder& u, Register x) {
    const Register shifted = u.op(TileOpKind::kSub, {x, u.op(TileOpKind::kRowMax, {x})});
    const Register e = u.op(TileOpKind::kExp, {shifted});
    return u.op(TileOpKind::kMul, {e, u.op(TileOpKind::kReciprocal, {u.op(TileOpKind::kRowSum, {e})})});
  });
}

}  // namespace

const OpRecord kSoftmaxRecord = {
    .doc = "x [m,n] -> [m,n]: e^x / sum of e^x, row by row",
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
