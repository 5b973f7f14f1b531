// rope: rotary position embedding, half-split layout ("rotate half"): column i of a head pairs with column i
// + d/2. The angles come as a table, so frequency scaling is the model's business (models/constants.cpp).
#include "compiler/ops/op.h"

#include <fmt/format.h>

#include "compiler/ops/operands.h"
#include "compiler/passes/lowering.h"

namespace rdusim::compiler {
namespace {

Result<Shape> infer(const Graph& graph, const Node& node) {
  const Value& x = operand(graph, node, 0);
  const Value& table = operand(graph, node, 1);
  RDU_CHECK_OK(expect_positive(node, {"head_dim", "query_tokens"}));
  RDU_CHECK_OK(expect_at_least(node, "past_tokens", 0));
  const int64_t head_dim = node.integer("head_dim");
  const int64_t tokens = node.integer("query_tokens");
  if (head_dim % 2 != 0) return operand_error(node, fmt::format("head_dim {} is odd", head_dim));
  RDU_CHECK_OK(expect_whole_heads(node, x));
  if (x.shape.rows() % tokens != 0) {
    return operand_error(
        node, fmt::format("{} rows of {} are not whole sequences of {}", x.shape.rows(), x.name, tokens));
  }
  RDU_CHECK_OK(expect_cols(node, "table", table, head_dim));
  const int64_t positions = node.integer("past_tokens") + tokens;
  if (table.shape.rows() < positions) {
    return operand_error(node, fmt::format("table {} has {} positions, {} are needed", table.name,
                                           table.shape.rows(), positions));
  }
  return matrix(x.shape.rows(), x.shape.cols());
}

// Four products and two sums a pair.
OpCost cost(const Graph& graph, const Node& node) {
  return elementwise_cost(graph, node, 3);
}

Tensor reference(const ReferenceContext& context) {
  const Tensor& x = *context.inputs[0];
  const Tensor& table = *context.inputs[1];
  const int64_t head_dim = context.node->integer("head_dim");
  const int64_t half = head_dim / 2;
  Tensor result(x.rows(), x.cols());
  for (int64_t r = 0; r < x.rows(); ++r) {
    const int64_t position = context.node->integer("past_tokens") + r % context.node->integer("query_tokens");
    for (int64_t head = 0; head < x.cols(); head += head_dim) {
      for (int64_t i = 0; i < half; ++i) {
        const float cosine = table.at(position, i);
        const float sine = table.at(position, half + i);
        const float a = x.at(r, head + i);
        const float b = x.at(r, head + half + i);
        result.at(r, head + i) = a * cosine - b * sine;
        result.at(r, head + half + i) = b * cosine + a * sine;
      }
    }
  }
  return rounded(context, std::move(result));
}

// Rotates the halves of each head: rows become (row, head) pairs, so that one table row serves all heads of a
// token.
Status lower(Lowering& l, const Node& node) {
  const Flow flow = l.flow(node.inputs[0]);
  const Stream x = l.activation(node.inputs[0]);
  const int64_t head_dim = node.integer("head_dim");
  const int64_t half = head_dim / 2;
  const int64_t query = node.integer("query_tokens");
  const bool one_position = query == 1;  // decode: every row of the token stands at the same position
  MemoryStream rows;
  rows.begin = node.integer("past_tokens");
  rows.rows = query;
  rows.rows_per_token = one_position ? 1 : flow.rows;
  rows.cols = head_dim;
  rows.repeats = flow.sequences;
  const Stream table = l.load(node.inputs[1], rows, "");
  const Value& result = l.value(node.outputs[0]);
  const int64_t width = result.shape.cols();
  UnitBuilder u = l.unit(UnitKind::kSimd, node);
  u.fire(flow.tokens());
  const Register rx = u.take(x, kEach);
  const Register rt = u.take(table, kEach);
  const auto op = [&](TileOpKind kind, std::initializer_list<Register> r, int64_t a = 0, int64_t b = 0) {
    return u.op(kind, r, a, b);
  };
  const Register heads = op(TileOpKind::kReshape, {rx}, head_dim);
  const Register lo = op(TileOpKind::kSliceCols, {heads}, 0, half);
  const Register hi = op(TileOpKind::kSliceCols, {heads}, half, half);
  Register c = op(TileOpKind::kSliceCols, {rt}, 0, half);
  Register s = op(TileOpKind::kSliceCols, {rt}, half, half);
  if (!one_position) {
    c = op(TileOpKind::kRepeatRows, {c}, width / head_dim);
    s = op(TileOpKind::kRepeatRows, {s}, width / head_dim);
  }
  const Register lo2 = op(TileOpKind::kSub, {op(TileOpKind::kMul, {lo, c}), op(TileOpKind::kMul, {hi, s})});
  const Register hi2 = op(TileOpKind::kAdd, {op(TileOpKind::kMul, {hi, c}), op(TileOpKind::kMul, {lo, s})});
  const Register y = op(TileOpKind::kReshape, {op(TileOpKind::kConcatCols, {lo2, hi2})}, width);
  l.define(node.outputs[0], u.emit(y, flow.rows, width, result.dtype), flow);
  return {};
}

}  // namespace

const OpRecord kRopeRecord = {
    .doc =
        "x [m,H*d], table [positions,d] (cosines, then sines) -> [m,H*d]: rotates pairs (i, i + d/2) of each "
        "head by the angle of its position",
    .attributes = {"head_dim", "past_tokens", "query_tokens"},
    .min_inputs = 2,
    .max_inputs = 2,
    .infer = infer,
    .cost = cost,
    .reference = reference,
    .lower = lower,
};

}  // namespace rdusim::compiler
