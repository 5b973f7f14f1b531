// mul: elementwise product; the second operand may be a row [1,n] or a column [m,1], which is repeated.
#include "compiler/ops/op.h"

#include <fmt/format.h>

#include "compiler/ops/operands.h"
#include "compiler/passes/lowering.h"

namespace rdusim::compiler {
namespace {

Result<Shape> infer(const Graph& graph, const Node& node) {
  const Value& a = operand(graph, node, 0);
  const Value& b = operand(graph, node, 1);
  const bool rows_fit = b.shape.rows() == a.shape.rows() || b.shape.rows() == 1;
  const bool cols_fit = b.shape.cols() == a.shape.cols() || b.shape.cols() == 1;
  if (!rows_fit || !cols_fit) {
    return operand_error(
        node,
        fmt::format("{} of shape {} does not fit {} of shape {}", b.name, shape_text(b.shape), a.name,
                    shape_text(a.shape)),
        "the second operand has the first one's shape, or is one row, one column or one element");
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
      result.at(r, c) = a.at(r, c) * b.at(b.rows() == 1 ? 0 : r, b.cols() == 1 ? 0 : c);
    }
  }
  return rounded(context, std::move(result));
}

// The second operand is a value of the same rows, or one constant row that is kept for all tokens.
Status lower(Lowering& l, const Node& node) {
  const Flow flow = l.flow(node.inputs[0]);
  const Value& second = l.value(node.inputs[1]);
  const bool constant = !second.producer && second.shape.rows() == 1;
  const Stream a = l.activation(node.inputs[0]);
  const Stream b = constant ? l.whole(node.inputs[1]) : l.activation(node.inputs[1]);
  UnitBuilder u = l.unit(UnitKind::kSimd, node);
  u.fire(flow.tokens());
  const Register ra = u.take(a, kEach);
  const Register rb = u.take(b, constant ? first_of(flow.tokens()) : kEach);
  const Value& result = l.value(node.outputs[0]);
  l.define(node.outputs[0],
           u.emit(u.op(TileOpKind::kMul, {ra, rb}), flow.rows, result.shape.cols(), result.dtype), flow);
  return {};
}

}  // namespace

const OpRecord kMulRecord = {
    .doc = "a [m,n], b [m,n] or [1,n] or [m,1] -> [m,n]: a * b",
    .attributes = {},
    .min_inputs = 2,
    .max_inputs = 2,
    .infer = infer,
    .cost = cost,
    .reference = reference,
    .lower = lower,
    .cut_operands = "cc",
};

}  // namespace rdusim::compiler
