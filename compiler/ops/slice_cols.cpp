// slice_cols: columns [begin, begin + count) of a matrix.
#include "compiler/ops/op.h"

#include <fmt/format.h>

#include "compiler/ops/operands.h"
#include "compiler/passes/lowering.h"

namespace rdusim::compiler {
namespace {

Result<Shape> infer(const Graph& graph, const Node& node) {
  const Value& x = operand(graph, node, 0);
  RDU_CHECK_OK(expect_at_least(node, "begin", 0));
  RDU_CHECK_OK(expect_positive(node, {"count"}));
  if (node.integer("begin") + node.integer("count") > x.shape.cols()) {
    return operand_error(
        node, fmt::format("columns {} to {} are outside {} of shape {}", node.integer("begin"),
                          node.integer("begin") + node.integer("count"), x.name, shape_text(x.shape)));
  }
  return matrix(x.shape.rows(), node.integer("count"));
}

OpCost cost(const Graph&, const Node&) {
  return OpCost{};
}

Tensor reference(const ReferenceContext& context) {
  const Tensor& x = *context.inputs[0];
  const int64_t begin = context.node->integer("begin");
  Tensor result(x.rows(), context.node->integer("count"));
  for (int64_t r = 0; r < result.rows(); ++r) {
    for (int64_t c = 0; c < result.cols(); ++c) result.at(r, c) = x.at(r, begin + c);
  }
  return rounded(context, std::move(result));
}

Status lower(Lowering& l, const Node& node) {
  const Flow flow = l.flow(node.inputs[0]);
  const Stream x = l.activation(node.inputs[0]);
  const Value& result = l.value(node.outputs[0]);
  UnitBuilder u = l.unit(UnitKind::kBuffer, node);
  u.fire(flow.tokens());
  const Register y =
      u.op(TileOpKind::kSliceCols, {u.take(x, kEach)}, node.integer("begin"), node.integer("count"));
  l.define(node.outputs[0], u.emit(y, flow.rows, result.shape.cols(), result.dtype), flow);
  return {};
}

}  // namespace

const OpRecord kSliceColsRecord = {
    .doc = "x [m,n] -> [m,count]: columns from `begin`",
    .attributes = {"begin", "count"},
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = infer,
    .cost = cost,
    .reference = reference,
    .lower = lower,
};

}  // namespace rdusim::compiler
