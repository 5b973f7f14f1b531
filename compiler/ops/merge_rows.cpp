// merge_rows: some rows of x are replaced by rows of another tensor: image features among text embeddings.
#include "compiler/ops/op.h"

#include <fmt/format.h>

#include "base/check.h"
#include "compiler/ops/operands.h"
#include "compiler/passes/lowering.h"

namespace rdusim::compiler {
namespace {

Result<Shape> infer(const Graph& graph, const Node& node) {
  const Value& x = operand(graph, node, 0);
  const Value& index = operand(graph, node, 1);
  RDU_CHECK_OK(expect_rows(node, "index", index, x.shape.rows()));
  RDU_CHECK_OK(expect_cols(node, "index", index, 1));
  RDU_CHECK_OK(expect_cols(node, "rows", operand(graph, node, 2), x.shape.cols()));
  return matrix(x.shape.rows(), x.shape.cols());
}

OpCost cost(const Graph&, const Node&) {
  return OpCost{};
}

Tensor reference(const ReferenceContext& context) {
  const Tensor& index = *context.inputs[1];
  const Tensor& rows = *context.inputs[2];
  Tensor result = *context.inputs[0];
  for (int64_t r = 0; r < result.rows(); ++r) {
    const auto from = static_cast<int64_t>(index.at(r, 0));
    if (from < 0) continue;
    RDU_CHECK(from < rows.rows(), "{}: row {} of {}", context.node->name, from, rows.rows());
    for (int64_t c = 0; c < result.cols(); ++c) result.at(r, c) = rows.at(from, c);
  }
  return rounded(context, std::move(result));
}

// The rows are gathered from memory (row 0 where none is wanted) and chosen by the index's sign.
Status lower(Lowering& l, const Node& node) {
  const Flow flow = l.flow(node.inputs[0]);
  const Stream x = l.activation(node.inputs[0]);
  const Stream index = l.activation(node.inputs[1]);
  UnitBuilder clamp = l.unit(UnitKind::kSimd, node, "row_numbers");
  clamp.fire(flow.tokens());
  const Register in = clamp.take(index, kEach);
  const Stream numbers =
      clamp.emit(clamp.scalar_op(TileOpKind::kMaxScalar, in, 0.0), flow.rows, 1, DType::kFp32);
  const Stream rows = l.gather(node, "rows", node.inputs[2], numbers, flow);
  const Value& result = l.value(node.outputs[0]);
  UnitBuilder u = l.unit(UnitKind::kSimd, node);
  u.fire(flow.tokens());
  const Register rx = u.take(x, kEach);
  const Register ri = u.take(index, kEach);
  const Register rr = u.take(rows, kEach);
  const Register keep = u.op(TileOpKind::kCmpLess, {ri, u.scalar_op(TileOpKind::kMulScalar, ri, 0.0)});
  const Register y = u.op(TileOpKind::kSelect, {keep, rx, rr});
  l.define(node.outputs[0], u.emit(y, flow.rows, result.shape.cols(), result.dtype), flow);
  return {};
}

}  // namespace

const OpRecord kMergeRowsRecord = {
    .doc =
        "x [m,h], index [m,1], rows [n,h] -> [m,h]: row index[r] of `rows` where index[r] >= 0, else row r "
        "of x",
    .attributes = {},
    .min_inputs = 3,
    .max_inputs = 3,
    .infer = infer,
    .cost = cost,
    .reference = reference,
    .lower = lower,
};

}  // namespace rdusim::compiler
