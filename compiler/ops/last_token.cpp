// last_token: keeps the last row of each sequence: what a language model's next token or an embedding is made
// from.
#include "compiler/ops/op.h"

#include <fmt/format.h>

#include "compiler/ops/operands.h"
#include "compiler/passes/lowering.h"

namespace rdusim::compiler {
namespace {

Result<Shape> infer(const Graph& graph, const Node& node) {
  const Value& x = operand(graph, node, 0);
  RDU_CHECK_OK(expect_positive(node, {"query_tokens"}));
  const int64_t tokens = node.integer("query_tokens");
  if (x.shape.rows() % tokens != 0) {
    return operand_error(
        node, fmt::format("{} rows of {} are not whole sequences of {}", x.shape.rows(), x.name, tokens));
  }
  return matrix(x.shape.rows() / tokens, x.shape.cols());
}

OpCost cost(const Graph&, const Node&) {
  return OpCost{};
}

Tensor reference(const ReferenceContext& context) {
  const Tensor& x = *context.inputs[0];
  const int64_t tokens = context.node->integer("query_tokens");
  Tensor result(x.rows() / tokens, x.cols());
  for (int64_t b = 0; b < result.rows(); ++b) {
    for (int64_t c = 0; c < x.cols(); ++c) result.at(b, c) = x.at(b * tokens + tokens - 1, c);
  }
  return rounded(context, std::move(result));
}

// The last block of each sequence has the row; the rows of all sequences make one token.
Status lower(Lowering& l, const Node& node) {
  const Flow flow = l.flow(node.inputs[0]);
  const Stream x = l.activation(node.inputs[0]);
  const Value& result = l.value(node.outputs[0]);
  const Flow rows{flow.sequences, 1, 1};
  if (node.integer("query_tokens") == 1) {
    l.define(node.outputs[0], x, flow);
    return {};
  }
  UnitBuilder pick = l.unit(UnitKind::kBuffer, node);
  pick.fire(flow.tokens());
  const Register in = pick.take(x, kEach);
  const Register last = pick.op(TileOpKind::kLastRow, {in});
  Stream y =
      pick.emit(last, 1, result.shape.cols(), result.dtype, {last_of(flow.blocks), Accumulate::kNone, 1, 0});
  if (flow.sequences > 1) {
    UnitBuilder join = l.unit(UnitKind::kBuffer, node, "join");
    join.fire(flow.sequences);
    const Register row = join.take(y, kEach);
    y = join.emit(row, flow.sequences, result.shape.cols(), result.dtype,
                  {last_of(flow.sequences), Accumulate::kConcatRows, flow.sequences, 0});
  }
  l.define(node.outputs[0], y, rows);
  return {};
}

}  // namespace

const OpRecord kLastTokenRecord = {
    .doc = "x [B*T,h] -> [B,h]: row T-1 of each sequence",
    .attributes = {"query_tokens"},
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = infer,
    .cost = cost,
    .reference = reference,
    .lower = lower,
};

}  // namespace rdusim::compiler
