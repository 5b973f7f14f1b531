// top_k: the k largest of each row and where they stand. Among equal values the lowest column comes first.
// Column numbers are stored as FP32, which is exact below 2^24.
#include "compiler/ops/op.h"

#include <fmt/format.h>
#include <algorithm>
#include <numeric>
#include <vector>

#include "compiler/ops/operands.h"
#include "compiler/passes/lowering.h"

namespace rdusim::compiler {
namespace {

constexpr int64_t kMaxColumns = int64_t{1} << 24;

Result<Shape> infer(const Graph& graph, const Node& node) {
  const Value& x = operand(graph, node, 0);
  RDU_CHECK_OK(expect_positive(node, {"k"}));
  const int64_t k = node.integer("k");
  if (k > x.shape.cols()) {
    return operand_error(node, fmt::format("k is {} but {} has {} columns", k, x.name, x.shape.cols()));
  }
  if (x.shape.cols() > kMaxColumns) {
    return operand_error(node, fmt::format("{} has {} columns; numbers above {} are not exact", x.name,
                                           x.shape.cols(), kMaxColumns));
  }
  return matrix(x.shape.rows(), 2 * k);
}

// One comparison an element and kept place.
OpCost cost(const Graph& graph, const Node& node) {
  return elementwise_cost(graph, node, node.integer("k"));
}

Tensor reference(const ReferenceContext& context) {
  const Tensor& x = *context.inputs[0];
  const int64_t k = context.node->integer("k");
  Tensor result(x.rows(), 2 * k);
  std::vector<int64_t> columns(static_cast<size_t>(x.cols()));
  for (int64_t r = 0; r < x.rows(); ++r) {
    std::iota(columns.begin(), columns.end(), 0);
    std::stable_sort(columns.begin(), columns.end(),
                     [&](int64_t a, int64_t b) { return x.at(r, a) > x.at(r, b); });
    for (int64_t i = 0; i < k; ++i) {
      const int64_t column = columns[static_cast<size_t>(i)];
      result.at(r, i) = x.at(r, column);
      result.at(r, k + i) = static_cast<float>(column);
    }
  }
  return rounded(context, std::move(result));
}

Status lower(Lowering& l, const Node& node) {
  const Flow flow = l.flow(node.inputs[0]);
  const Stream x = l.activation(node.inputs[0]);
  const Value& result = l.value(node.outputs[0]);
  UnitBuilder u = l.unit(UnitKind::kSimd, node);
  u.fire(flow.tokens());
  const Register in = u.take(x, kEach);
  l.define(
      node.outputs[0],
      u.emit(u.op(TileOpKind::kTopK, {in}, node.integer("k")), flow.rows, result.shape.cols(), result.dtype),
      flow);
  return {};
}

}  // namespace

const OpRecord kTopKRecord = {
    .doc =
        "x [m,n] -> [m,2k]: the k largest values in descending order, then their column numbers; ties: "
        "lowest column first",
    .attributes = {"k"},
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = infer,
    .cost = cost,
    .reference = reference,
    .lower = lower,
};

}  // namespace rdusim::compiler
