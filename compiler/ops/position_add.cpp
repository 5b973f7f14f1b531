// position_add: x plus the row of a table by position (learned position embeddings).
#include "compiler/ops/op.h"

#include <fmt/format.h>

#include "compiler/ops/operands.h"
#include "compiler/passes/lowering.h"

namespace rdusim::compiler {
namespace {

Result<Shape> infer(const Graph& graph, const Node& node) {
  const Value& x = operand(graph, node, 0);
  const Value& table = operand(graph, node, 1);
  RDU_CHECK_OK(expect_positive(node, {"query_tokens"}));
  RDU_CHECK_OK(expect_at_least(node, "past_tokens", 0));
  const int64_t tokens = node.integer("query_tokens");
  RDU_CHECK_OK(expect_cols(node, "table", table, x.shape.cols()));
  if (x.shape.rows() % tokens != 0) {
    return operand_error(
        node, fmt::format("{} rows of {} are not whole sequences of {}", x.shape.rows(), x.name, tokens));
  }
  if (table.shape.rows() < node.integer("past_tokens") + tokens) {
    return operand_error(node, fmt::format("table {} has {} positions, {} are needed", table.name,
                                           table.shape.rows(), node.integer("past_tokens") + tokens));
  }
  return matrix(x.shape.rows(), x.shape.cols());
}

OpCost cost(const Graph& graph, const Node& node) {
  return OpCost{operand(graph, node, 0).shape.elements(), 0};
}

Tensor reference(const ReferenceContext& context) {
  const Tensor& table = *context.inputs[1];
  Tensor result = *context.inputs[0];
  for (int64_t r = 0; r < result.rows(); ++r) {
    const int64_t position = context.node->integer("past_tokens") + r % context.node->integer("query_tokens");
    for (int64_t c = 0; c < result.cols(); ++c) result.at(r, c) += table.at(position, c);
  }
  return rounded(context, std::move(result));
}

Status lower(Lowering& l, const Node& node) {
  const Flow flow = l.flow(node.inputs[0]);
  const Stream x = l.activation(node.inputs[0]);
  const Value& result = l.value(node.outputs[0]);
  MemoryStream rows;
  rows.begin = node.integer("past_tokens");
  rows.rows = node.integer("query_tokens");
  rows.rows_per_token = rows.rows == 1 ? 1 : flow.rows;
  rows.cols = result.shape.cols();
  rows.repeats = flow.sequences;
  const Stream table = l.load(node.inputs[1], rows, "");
  UnitBuilder u = l.unit(UnitKind::kSimd, node);
  u.fire(flow.tokens());
  const Register rx = u.take(x, kEach);
  const Register rt = u.take(table, kEach);
  const Register y = u.op(TileOpKind::kAdd, {rx, rt});
  l.define(node.outputs[0], u.emit(y, flow.rows, result.shape.cols(), result.dtype), flow);
  return {};
}

}  // namespace

const OpRecord kPositionAddRecord = {
    .doc =
        "x [B*T,h], table [positions,h] -> [B*T,h]: row t of a sequence plus row past_tokens + t of the "
        "table",
    .attributes = {"past_tokens", "query_tokens"},
    .min_inputs = 2,
    .max_inputs = 2,
    .infer = infer,
    .cost = cost,
    .reference = reference,
    .lower = lower,
    .cut_operands = "cc",
};

}  // namespace rdusim::compiler
