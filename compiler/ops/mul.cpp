// mul: elementwise product; the second operand may be a column [m,1], or rows that are repeated: one, or a
// sequence's (a table of factors by position).
#include "compiler/ops/op.h"

#include <fmt/format.h>

#include "compiler/ops/elementwise.h"
#include "compiler/ops/operands.h"
#include "compiler/passes/lowering.h"

namespace rdusim::compiler {
namespace {

Result<Shape> infer(const Graph& graph, const Node& node) {
  const Value& a = operand(graph, node, 0);
  const Value& b = operand(graph, node, 1);
  const bool rows_fit = a.shape.rows() % b.shape.rows() == 0;
  const bool cols_fit = b.shape.cols() == a.shape.cols() || b.shape.cols() == 1;
  if (!rows_fit || !cols_fit) {
    return operand_error(
        node,
        fmt::format("{} of shape {} does not fit {} of shape {}", b.name, shape_text(b.shape), a.name,
                    shape_text(a.shape)),
        "the second operand has the first one's shape, or fewer rows that repeat, or one column");
  }
  return matrix(a.shape.rows(), a.shape.cols());
}

OpCost cost(const Graph& graph, const Node& node) {
  return elementwise_cost(graph, node, 1);
}

Tensor reference(const ReferenceContext& context) {
  const Tensor& a = *context.inputs[0];
  const Tensor& b = *context.inputs[1];
  Tensor result(a.rows(), a.cols());
  for (int64_t r = 0; r < a.rows(); ++r) {
    for (int64_t c = 0; c < a.cols(); ++c) {
      result.at(r, c) = a.at(r, c) * b.at(r % b.rows(), b.cols() == 1 ? 0 : c);
    }
  }
  return rounded(context, std::move(result));
}

// The second operand is a value of the same rows, or a source that is kept on chip for all tokens: a row, or
// a table of a sequence's rows.
Status lower(Lowering& l, const Node& node) {
  const Flow flow = l.flow(node.inputs[0]);
  const Value& second = l.value(node.inputs[1]);
  const int64_t rows = second.shape.rows();
  const int64_t all_rows = l.value(node.inputs[0]).shape.rows();
  const bool constant = is_kept_row(second);
  const bool table = !constant && rows != all_rows;
  if (table && (second.producer || rows * flow.sequences != all_rows)) {
    return Error{ErrorCode::kUnsupported, node.name,
                 fmt::format("multiplies {} rows by {} rows of {}", all_rows, rows, second.name),
                 "factors that repeat are a source with a sequence's rows"};
  }
  return lower_elementwise(
      l, node, constant || table, [&flow, table](UnitBuilder& u, Register a, Register factors) {
        const Register b =
            table ? u.op(TileOpKind::kSliceRowsByFiring, {factors}, flow.rows, flow.blocks) : factors;
        return u.op(TileOpKind::kMul, {a, b});
      });
}

}  // namespace

const OpRecord kMulRecord = {
    .doc = "a [m,n], b [m,n] or [m,1] or [p,n] whose p rows repeat -> [m,n]: a * b",
    .attributes = {},
    .min_inputs = 2,
    .max_inputs = 2,
    .infer = infer,
    .cost = cost,
    .reference = reference,
    .lower = lower,
    .cut_operands = "cc",
    .row_wise = true,
};

}  // namespace rdusim::compiler
