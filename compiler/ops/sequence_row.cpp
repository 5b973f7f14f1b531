#include "compiler/ops/sequence_row.h"

#include <fmt/format.h>

#include "compiler/ops/operands.h"
#include "compiler/passes/lowering.h"

namespace rdusim::compiler {
namespace {

// One token with that row of each sequence, from tokens that hold one such row each.
Stream join_rows(Lowering& l, const Node& node, const Stream& row, int64_t sequences) {
  if (sequences == 1) return row;
  UnitBuilder join = l.unit(UnitKind::kBuffer, node, "join");
  join.fire(sequences);
  const Register in = join.take(row, kEach);
  return join.emit(in, sequences, row.cols, row.dtype,
                   {last_of(sequences), Accumulate::kConcatRows, sequences, 0});
}

// From memory only the rows that are wanted are read.
Stream load_rows(Lowering& l, const Node& node, int64_t sequences, SequenceRow which) {
  const int64_t query = node.integer("query_tokens");
  MemoryStream range;
  range.begin = which == SequenceRow::kFirst ? 0 : query - 1;
  range.rows = 1;
  range.segments = sequences;
  range.stride = query;
  range.cols = l.value(node.inputs[0]).shape.cols();
  return l.load(node.inputs[0], range, which == SequenceRow::kFirst ? ".first" : ".last");
}

// Of a stream, the first or last block of each sequence has the row.
Stream pick_rows(Lowering& l, const Node& node, const Flow& flow, SequenceRow which) {
  const bool first = which == SequenceRow::kFirst;
  const Value& result = l.value(node.outputs[0]);
  const Stream x = l.activation(node.inputs[0]);
  UnitBuilder pick = l.unit(UnitKind::kBuffer, node);
  pick.fire(flow.tokens());
  const Register in = pick.take(x, kEach);
  const Register row =
      first ? pick.op(TileOpKind::kSliceRows, {in}, 0, 1) : pick.op(TileOpKind::kLastRow, {in});
  return pick.emit(row, 1, result.shape.cols(), result.dtype,
                   {first ? first_of(flow.blocks) : last_of(flow.blocks), Accumulate::kNone, 1, 0});
}

}  // namespace

Result<Shape> infer_sequence_row(const Graph& graph, const Node& node) {
  const Value& x = operand(graph, node, 0);
  RDU_CHECK_OK(expect_positive(node, {"query_tokens"}));
  const int64_t tokens = node.integer("query_tokens");
  if (x.shape.rows() % tokens != 0) {
    return operand_error(
        node, fmt::format("{} rows of {} are not whole sequences of {}", x.shape.rows(), x.name, tokens));
  }
  return matrix(x.shape.rows() / tokens, x.shape.cols());
}

Tensor sequence_row_reference(const ReferenceContext& context, SequenceRow which) {
  const Tensor& x = *context.inputs[0];
  const int64_t tokens = context.node->integer("query_tokens");
  const int64_t row = which == SequenceRow::kFirst ? 0 : tokens - 1;
  Tensor result(x.rows() / tokens, x.cols());
  for (int64_t b = 0; b < result.rows(); ++b) {
    for (int64_t c = 0; c < x.cols(); ++c) result.at(b, c) = x.at(b * tokens + row, c);
  }
  return rounded(context, std::move(result));
}

Status lower_sequence_row(Lowering& l, const Node& node, SequenceRow which) {
  const Flow flow = l.flow(node.inputs[0]);
  if (node.integer("query_tokens") == 1) {
    l.define(node.outputs[0], l.activation(node.inputs[0]), flow);
    return {};
  }
  const Stream row = l.made_here(node.inputs[0]) ? pick_rows(l, node, flow, which)
                                                 : load_rows(l, node, flow.sequences, which);
  l.define(node.outputs[0], join_rows(l, node, row, flow.sequences), Flow{flow.sequences, 1, 1});
  return {};
}

}  // namespace rdusim::compiler
