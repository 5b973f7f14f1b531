// transpose: every sequence's square block of rows is transposed.
//
// Lowering: a sequence's rows are collected in PMUs; when the last has come, blocks of columns leave as
// blocks of rows. So what follows starts a sequence later: with many sequences the stages before and after
// work on neighbours.
#include "compiler/ops/op.h"

#include <fmt/format.h>

#include "compiler/ops/operands.h"
#include "compiler/passes/lowering.h"

namespace rdusim::compiler {
namespace {

Result<Shape> infer(const Graph& graph, const Node& node) {
  const Value& x = operand(graph, node, 0);
  if (x.shape.rows() % x.shape.cols() != 0) {
    return operand_error(node, fmt::format("{} rows of {} are not whole sequences of {} rows, its columns",
                                           x.shape.rows(), x.name, x.shape.cols()));
  }
  return matrix(x.shape.rows(), x.shape.cols());
}

OpCost cost(const Graph& /*graph*/, const Node& /*node*/) {
  return OpCost{};
}

Tensor reference(const ReferenceContext& context) {
  const Tensor& x = *context.inputs[0];
  const int64_t n = x.cols();
  Tensor result(x.rows(), n);
  for (int64_t r = 0; r < x.rows(); ++r) {
    for (int64_t c = 0; c < n; ++c) result.at(r / n * n + c, r % n) = x.at(r, c);
  }
  return rounded(context, std::move(result));
}

Status lower(Lowering& l, const Node& node) {
  const Flow flow = l.flow(node.inputs[0]);
  const Value& result = l.value(node.outputs[0]);
  const int64_t n = result.shape.cols();
  if (flow.rows * flow.blocks < n || result.shape.rows() != n * flow.sequences) {
    return Error{ErrorCode::kUnsupported, node.name,
                 fmt::format("transposes {} columns where a sequence has {} rows", n,
                             result.shape.rows() / flow.sequences),
                 "the graph's new tokens a sequence must be the columns"};
  }
  if (flow.blocks > 1) l.wait_for(flow.blocks);
  const Stream x = l.activation(node.inputs[0]);
  UnitBuilder collect = l.unit(UnitKind::kBuffer, node, "rows");
  collect.fire(flow.tokens());
  const Stream whole = collect.emit(collect.take(x, kEach), n, n, x.dtype,
                                    {last_of(flow.blocks), Accumulate::kConcatRows, flow.blocks, 0});
  UnitBuilder turn = l.unit(UnitKind::kBuffer, node);
  turn.fire(flow.tokens());
  const Register all = turn.take(whole, first_of(flow.blocks));
  const Register columns = turn.op(TileOpKind::kSliceColsByFiring, {all}, flow.rows, flow.blocks);
  const Register rows = turn.op(TileOpKind::kTranspose, {columns});
  l.define(node.outputs[0], turn.emit(rows, flow.rows, n, result.dtype), flow);
  return {};
}

}  // namespace

const OpRecord kTransposeRecord = {
    .doc = "x [B*n,n] -> [B*n,n]: the transpose of each sequence's n rows",
    .attributes = {},
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = infer,
    .cost = cost,
    .reference = reference,
    .lower = lower,
};

}  // namespace rdusim::compiler
