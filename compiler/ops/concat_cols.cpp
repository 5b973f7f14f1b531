// concat_cols: the columns of one matrix after those of another.
#include "compiler/ops/op.h"

#include "compiler/ops/elementwise.h"
#include "compiler/ops/operands.h"

namespace rdusim::compiler {
namespace {

Result<Shape> infer(const Graph& graph, const Node& node) {
  const Value& a = operand(graph, node, 0);
  const Value& b = operand(graph, node, 1);
  RDU_CHECK_OK(expect_rows(node, "second", b, a.shape.rows()));
  return matrix(a.shape.rows(), a.shape.cols() + b.shape.cols());
}

OpCost cost(const Graph&, const Node&) {
  return OpCost{};
}

Tensor reference(const ReferenceContext& context) {
  const Tensor& a = *context.inputs[0];
  const Tensor& b = *context.inputs[1];
  Tensor result(a.rows(), a.cols() + b.cols());
  for (int64_t r = 0; r < a.rows(); ++r) {
    for (int64_t c = 0; c < a.cols(); ++c) result.at(r, c) = a.at(r, c);
    for (int64_t c = 0; c < b.cols(); ++c) result.at(r, a.cols() + c) = b.at(r, c);
  }
  return rounded(context, std::move(result));
}

Status lower(Lowering& l, const Node& node) {
  return lower_elementwise(l, node, false, [](UnitBuilder& u, Register a, Register b) {
    return u.op(TileOpKind::kConcatCols, {a, b});
  });
}

}  // namespace

const OpRecord kConcatColsRecord = {
    .doc = "a [m,n], b [m,k] -> [m,n+k]: side by side",
    .attributes = {},
    .min_inputs = 2,
    .max_inputs = 2,
    .infer = infer,
    .cost = cost,
    .reference = reference,
    .lower = lower,
    .row_wise = true,
};

}  // namespace rdusim::compiler
