// first_token: keeps the first row of each sequence: the class token of a vision tower.
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
    for (int64_t c = 0; c < x.cols(); ++c) result.at(b, c) = x.at(b * tokens, c);
  }
  return rounded(context, std::move(result));
}

// One token with the first row of each sequence, from tokens that hold one such row each.
Stream join_rows(Lowering& l, const Node& node, const Stream& row, int64_t sequences) {
  if (sequences == 1) return row;
  UnitBuilder join = l.unit(UnitKind::kBuffer, node, "join");
  join.fire(sequences);
  const Register in = join.take(row, kEach);
  return join.emit(in, sequences, row.cols, row.dtype,
                   {last_of(sequences), Accumulate::kConcatRows, sequences, 0});
}

// From memory only the rows that are wanted are read.
Stream load_first_rows(Lowering& l, const Node& node, int64_t query, int64_t sequences) {
  MemoryStream range;
  range.rows = 1;
  range.segments = sequences;
  range.stride = query;
  range.cols = l.value(node.inputs[0]).shape.cols();
  return l.load(node.inputs[0], range, ".first");
}

// Of a stream, the first block of each sequence has the row.
Stream pick_first_rows(Lowering& l, const Node& node, const Flow& flow) {
  const Value& result = l.value(node.outputs[0]);
  const Stream x = l.activation(node.inputs[0]);
  UnitBuilder pick = l.unit(UnitKind::kBuffer, node);
  pick.fire(flow.tokens());
  const Register row = pick.op(TileOpKind::kSliceRows, {pick.take(x, kEach)}, 0, 1);
  return pick.emit(row, 1, result.shape.cols(), result.dtype,
                   {first_of(flow.blocks), Accumulate::kNone, 1, 0});
}

Status lower(Lowering& l, const Node& node) {
  const Flow flow = l.flow(node.inputs[0]);
  const int64_t query = node.integer("query_tokens");
  if (query == 1) {
    l.define(node.outputs[0], l.activation(node.inputs[0]), flow);
    return {};
  }
  const bool here = l.made_here(node.inputs[0]);
  const Stream row = here ? pick_first_rows(l, node, flow) : load_first_rows(l, node, query, flow.sequences);
  l.define(node.outputs[0], join_rows(l, node, row, flow.sequences), Flow{flow.sequences, 1, 1});
  return {};
}

}  // namespace

const OpRecord kFirstTokenRecord = {
    .doc = "x [B*T,h] -> [B,h]: the first row of each sequence",
    .attributes = {"query_tokens"},
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = infer,
    .cost = cost,
    .reference = reference,
    .lower = lower,
};

}  // namespace rdusim::compiler
