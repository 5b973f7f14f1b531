// causal_conv: a short convolution over the tokens of each sequence, channel by channel, and SiLU of it
// (Mamba):
//
//   y_t = SiLU(b + sum over j of w_j * x_{t - taps + 1 + j})
//
// w [taps, channels]; before the first token x is zero, or what the state [batch * taps, channels] holds: the
// last `taps` inputs of each sequence, oldest first. The state is read when past_tokens > 0 and always left
// updated.
#include "compiler/ops/op.h"

#include <fmt/format.h>

#include <cmath>
#include <optional>

#include "base/check.h"
#include "compiler/ops/activation.h"
#include "compiler/ops/attention.h"
#include "compiler/ops/operands.h"
#include "compiler/passes/lowering.h"

namespace rdusim::compiler {
namespace {

constexpr size_t kX = 0, kW = 1, kBias = 2, kState = 3;

Result<Shape> infer(const Graph& graph, const Node& node) {
  RDU_CHECK_OK(expect_positive(node, {"query_tokens"}));
  RDU_CHECK_OK(expect_at_least(node, "past_tokens", 0));
  const Value& x = operand(graph, node, kX);
  const Value& w = operand(graph, node, kW);
  const Value& state = operand(graph, node, kState);
  const int64_t tokens = node.integer("query_tokens");
  RDU_CHECK_OK(expect_cols(node, "taps", w, x.shape.cols()));
  RDU_CHECK_OK(expect_rows(node, "bias", operand(graph, node, kBias), 1));
  RDU_CHECK_OK(expect_cols(node, "bias", operand(graph, node, kBias), x.shape.cols()));
  if (x.shape.rows() % tokens != 0) {
    return operand_error(
        node, fmt::format("{} rows of {} are not whole sequences of {}", x.shape.rows(), x.name, tokens));
  }
  if (state.role != SymbolRole::kState) return operand_error(node, state.name + " is no state");
  RDU_CHECK_OK(expect_rows(node, "state", state, x.shape.rows() / tokens * w.shape.rows()));
  RDU_CHECK_OK(expect_cols(node, "state", state, x.shape.cols()));
  return matrix(x.shape.rows(), x.shape.cols());
}

OpCost cost(const Graph& graph, const Node& node) {
  return elementwise_cost(graph, node, 2 * operand(graph, node, kW).shape.rows() + 5);
}

Tensor reference(const ReferenceContext& context) {
  const Tensor& x = *context.inputs[kX];
  const Tensor& w = *context.inputs[kW];
  Tensor& state = *context.state[kState];
  const int64_t tokens = context.node->integer("query_tokens");
  const int64_t taps = w.rows();
  const bool fresh = context.node->integer("past_tokens") == 0;
  const bool round = rounds(context, context.graph->value(context.node->inputs[kState]).dtype);
  Tensor result(x.rows(), x.cols());
  for (int64_t s = 0; s < x.rows() / tokens; ++s) {
    for (int64_t c = 0; c < x.cols(); ++c) {
      std::vector<float> line;  // the sequence's inputs, the state's before them
      for (int64_t j = 0; j < taps; ++j) line.push_back(fresh ? 0.0F : state.at(s * taps + j, c));
      for (int64_t t = 0; t < tokens; ++t) {
        line.push_back(x.at(s * tokens + t, c));
        float sum = context.inputs[kBias]->at(0, c);
        for (int64_t j = 0; j < taps; ++j) sum += w.at(j, c) * line[static_cast<size_t>(t + 1 + j)];
        result.at(s * tokens + t, c) = activate(ActivationForm::kSilu, sum);
      }
      for (int64_t j = 0; j < taps; ++j) {
        const float last = line[static_cast<size_t>(tokens + j)];
        state.at(s * taps + j, c) = round ? round_to_bf16(last) : last;
      }
    }
  }
  return rounded(context, std::move(result));
}

MemoryStream state_rows(int64_t rows, int64_t cols, int64_t sequences) {
  MemoryStream range;
  range.rows = rows;
  range.segments = sequences;
  range.stride = rows;
  range.rows_per_token = rows;
  range.cols = cols;
  return range;
}

// The token and the rows before it: of the blocks so far, and of the state if there is one.
Stream line_of(Lowering& l, const Node& node, const Stream& x, const Flow& flow, int64_t taps,
               bool from_state) {
  std::optional<Stream> before;
  if (from_state) before = l.load(node.inputs[kState], state_rows(taps, x.cols, flow.sequences), "");
  UnitBuilder u = l.unit(UnitKind::kBuffer, node, "line");
  u.fire(flow.tokens());
  Register source = u.take(x, kEach);
  if (before) {
    // The state's rows with the first block, none with the others.
    const Register held = u.take(*before, first_of(flow.blocks));
    const Register seed = u.op(TileOpKind::kSliceRowsByFiring, {held}, taps, flow.blocks);
    source = u.op(TileOpKind::kConcatRows, {seed, source});
  }
  const int64_t keep = flow.rows + taps;
  return u.emit(source, keep, x.cols, x.dtype, {kEach, Accumulate::kConcatRows, flow.blocks, keep});
}

Status lower(Lowering& l, const Node& node) {
  const int64_t query = node.integer("query_tokens");
  const int64_t past = node.integer("past_tokens");
  const Flow outer = l.flow(node.inputs[kX]);
  const int64_t sequences = l.graph().batch;
  const bool decode = query == 1;
  const Flow flow = decode ? Flow{1, 1, sequences} : outer;
  const Stream all = l.activation(node.inputs[kX]);
  const Stream x = decode ? split_sequences(l, node, "x", all, sequences) : all;
  const int64_t taps = l.value(node.inputs[kW]).shape.rows();
  const Stream line = line_of(l, node, x, flow, taps, past > 0);
  const Stream weights = l.whole(node.inputs[kW]);
  const Stream bias = l.whole(node.inputs[kBias]);
  UnitBuilder u = l.unit(UnitKind::kSimd, node);
  u.fire(flow.tokens());
  const Register rl = u.take(line, kEach);
  const Register rx = u.take(x, kEach);
  const Register rw = u.take(weights, first_of(flow.tokens()));
  const Register rb = u.take(bias, first_of(flow.tokens()));
  Register sum = rb;
  for (int64_t j = 0; j < taps; ++j) {
    const Register tap = u.op(TileOpKind::kTapRows, {rl, rx}, taps - 1 - j);
    const Register w = u.op(TileOpKind::kSliceRows, {rw}, j, 1);
    sum = u.op(TileOpKind::kAdd, {u.op(TileOpKind::kMul, {tap, w}), sum});
  }
  const Register y = lower_activation(u, ActivationForm::kSilu, sum);
  const Value& result = l.value(node.outputs[0]);
  const Stream out = u.emit(y, flow.rows, result.shape.cols(), result.dtype);
  const Register newest = u.op(TileOpKind::kTapRows, {rl, rw}, 0);
  const Stream left = u.emit(newest, taps, x.cols, x.dtype, {last_of(flow.blocks), Accumulate::kNone, 1, 0});
  l.store(node.inputs[kState], left, state_rows(taps, x.cols, flow.sequences), "");
  l.define(node.outputs[0], decode ? join_sequences(l, node, out, sequences) : out, outer);
  return {};
}

}  // namespace

const OpRecord kCausalConvRecord = {
    .doc =
        "x [B*T,c], w [taps,c], b [1,c], state [B*taps,c] -> [B*T,c]: SiLU of b plus the sum of w_j times x, "
        "taps - 1 "
        "- j tokens earlier; leaves the last inputs in the state",
    .attributes = {"past_tokens", "query_tokens"},
    .min_inputs = 4,
    .max_inputs = 4,
    .infer = infer,
    .cost = cost,
    .reference = reference,
    .lower = lower,
    .cut_operands = "cccc",
};

}  // namespace rdusim::compiler
