// selective_scan: the recurrence of a state-space model (Mamba, S6), channel by channel with n states each,
// FP32:
//
//   s_t = exp(step_t A) s_{t-1} + step_t x_t B_t        y_t = C_t s_t + D x_t
//
// x, step [B*T,c]; bc [B*T,2n]: B, then C; A [n,c] (negative rates), D [1,c]; state [B*n,c]. The state is
// read when past_tokens > 0 and always left updated.
//
// Lowering in blocks of rows (operators.md: the chunked form): every block is summarised as a map of the
// state, the maps compose in the accumulator of an output port, and the scan of a block starts from what the
// blocks before it, applied to the state in memory if the sequence has begun earlier, left. Both the summary
// and the scan take each exponential, so a prefill has twice the definition's.
#include "compiler/ops/op.h"

#include <fmt/format.h>

#include <cmath>
#include <optional>

#include "base/check.h"
#include "compiler/ops/attention.h"
#include "compiler/ops/operands.h"
#include "compiler/passes/lowering.h"

namespace rdusim::compiler {
namespace {

constexpr size_t kX = 0, kStep = 1, kBc = 2, kA = 3, kD = 4, kState = 5;

Result<Shape> infer(const Graph& graph, const Node& node) {
  RDU_CHECK_OK(expect_positive(node, {"query_tokens"}));
  RDU_CHECK_OK(expect_at_least(node, "past_tokens", 0));
  const Value& x = operand(graph, node, kX);
  const int64_t tokens = node.integer("query_tokens");
  const int64_t states = operand(graph, node, kA).shape.rows();
  RDU_CHECK_OK(expect_same_shape(node, x, operand(graph, node, kStep)));
  RDU_CHECK_OK(expect_rows(node, "B and C", operand(graph, node, kBc), x.shape.rows()));
  RDU_CHECK_OK(expect_cols(node, "B and C", operand(graph, node, kBc), 2 * states));
  RDU_CHECK_OK(expect_cols(node, "A", operand(graph, node, kA), x.shape.cols()));
  RDU_CHECK_OK(expect_rows(node, "D", operand(graph, node, kD), 1));
  RDU_CHECK_OK(expect_cols(node, "D", operand(graph, node, kD), x.shape.cols()));
  if (x.shape.rows() % tokens != 0) {
    return operand_error(
        node, fmt::format("{} rows of {} are not whole sequences of {}", x.shape.rows(), x.name, tokens));
  }
  const Value& state = operand(graph, node, kState);
  if (state.role != SymbolRole::kState) return operand_error(node, state.name + " is no state");
  RDU_CHECK_OK(expect_rows(node, "state", state, x.shape.rows() / tokens * states));
  RDU_CHECK_OK(expect_cols(node, "state", state, x.shape.cols()));
  return matrix(x.shape.rows(), x.shape.cols());
}

// Product, exponential, two products, product and sum, product and sum for each row, channel and state.
OpCost cost(const Graph& graph, const Node& node) {
  return elementwise_cost(graph, node, 8 * operand(graph, node, kA).shape.rows() + 2);
}

Tensor reference(const ReferenceContext& context) {
  const Tensor& x = *context.inputs[kX];
  const Tensor& step = *context.inputs[kStep];
  const Tensor& bc = *context.inputs[kBc];
  const Tensor& a = *context.inputs[kA];
  Tensor& state = *context.state[kState];
  const int64_t tokens = context.node->integer("query_tokens");
  const int64_t states = a.rows();
  if (context.node->integer("past_tokens") == 0) std::fill(state.values.begin(), state.values.end(), 0.0F);
  Tensor result(x.rows(), x.cols());
  for (int64_t r = 0; r < x.rows(); ++r) {
    for (int64_t c = 0; c < x.cols(); ++c) {
      float y = 0;
      for (int64_t n = 0; n < states; ++n) {
        float& s = state.at(r / tokens * states + n, c);
        s = std::exp(step.at(r, c) * a.at(n, c)) * s + step.at(r, c) * x.at(r, c) * bc.at(r, n);
        y += s * bc.at(r, states + n);
      }
      result.at(r, c) = y + context.inputs[kD]->at(0, c) * x.at(r, c);
    }
  }
  return rounded(context, std::move(result));
}

class ScanLowering {
 public:
  ScanLowering(Lowering& l, const Node& node)
      : l_(l),
        node_(node),
        states_(l.value(node.inputs[kA]).shape.rows()),
        cols_(l.value(node.inputs[kX]).shape.cols()),
        outer_(l.flow(node.inputs[kX])),
        decode_(node.integer("query_tokens") == 1),
        flow_(decode_ ? Flow{1, 1, l.graph().batch} : outer_) {}

  void run() {
    const Stream a = l_.whole(node_.inputs[kA]);
    const Stream d = l_.whole(node_.inputs[kD]);
    const Stream x = rows(kX, "x");
    const Stream step = rows(kStep, "step");
    const Stream bc = rows(kBc, "bc");
    const Stream y = decode_ ? decoded(x, step, bc, a, d) : blocks(x, step, bc, a, d);
    l_.define(node_.outputs[0], decode_ ? join_sequences(l_, node_, y, flow_.sequences) : y, outer_);
  }

 private:
  Stream rows(size_t operand, const char* name) {
    const Stream all = l_.activation(node_.inputs[operand]);
    return decode_ ? split_sequences(l_, node_, name, all, flow_.sequences) : all;
  }
  [[nodiscard]] MemoryStream state_rows() const {
    MemoryStream range;
    range.rows = states_;
    range.segments = flow_.sequences;
    range.stride = states_;
    range.rows_per_token = states_;
    range.cols = cols_;
    return range;
  }
  [[nodiscard]] DType dtype() const { return l_.value(node_.outputs[0]).dtype; }
  static Register with_skip(UnitBuilder& u, Register scanned, Register x, Register d) {
    return u.op(TileOpKind::kAdd, {scanned, u.op(TileOpKind::kMul, {x, d})});
  }

  // One row from the state in memory, which is zero at the start of a sequence.
  Stream decoded(const Stream& x, const Stream& step, const Stream& bc, const Stream& a, const Stream& d) {
    const Stream before = l_.load(node_.inputs[kState], state_rows(), "");
    UnitBuilder u = l_.unit(UnitKind::kSimd, node_);
    u.fire(flow_.sequences);
    const Register rx = u.take(x, kEach);
    const Register rs = u.take(step, kEach);
    const Register rb = u.take(bc, kEach);
    const Register ra = u.take(a, first_of(flow_.sequences));
    const Register rd = u.take(d, first_of(flow_.sequences));
    Register h = u.take(before, kEach);
    if (node_.integer("past_tokens") == 0) h = u.scalar_op(TileOpKind::kMulScalar, h, 0.0);
    const Register inputs = u.op(TileOpKind::kConcatCols, {rx, rs});
    const Register scanned = u.op(TileOpKind::kScan, {inputs, rb, u.op(TileOpKind::kConcatRows, {ra, h})});
    const Stream y = u.emit(with_skip(u, scanned, rx, rd), 1, cols_, dtype());
    const Register map = u.op(TileOpKind::kScanSummary, {inputs, rb, ra});
    const Register kept = u.op(TileOpKind::kMul, {u.op(TileOpKind::kSliceRows, {map}, 0, states_), h});
    const Register after =
        u.op(TileOpKind::kAdd, {kept, u.op(TileOpKind::kSliceRows, {map}, states_, states_)});
    l_.store(node_.inputs[kState], u.emit(after, states_, cols_, DType::kFp32), state_rows(), "");
    return y;
  }

  // Summaries composed over the blocks so far: [2n, c].
  Stream composed(const Stream& x, const Stream& step, const Stream& bc, const Stream& a) {
    UnitBuilder u = l_.unit(UnitKind::kSimd, node_, "summary");
    u.fire(flow_.tokens());
    const Register rx = u.take(x, kEach);
    const Register rs = u.take(step, kEach);
    const Register rb = u.take(bc, kEach);
    const Register ra = u.take(a, first_of(flow_.tokens()));
    const Register map = u.op(TileOpKind::kScanSummary, {u.op(TileOpKind::kConcatCols, {rx, rs}), rb, ra});
    return u.emit(map, 2 * states_, cols_, DType::kFp32, {kEach, Accumulate::kCompose, flow_.blocks, 0});
  }

  // The state after each block, with that before it above it ([2n, c]; at the first block nothing above), and
  // the last one to memory. The lower half of a composed map is what it makes of a zero state.
  Stream states_after_zero(const Stream& so_far) {
    UnitBuilder u = l_.unit(UnitKind::kBuffer, node_, "before");
    u.fire(flow_.tokens());
    const Register map = u.take(so_far, kEach);
    return states_from(u, u.op(TileOpKind::kSliceRows, {map}, states_, states_), std::nullopt);
  }
  // The same from the state in memory; at the first block that state is above.
  Stream states_after_memory(const Stream& so_far) {
    const Stream before = l_.load(node_.inputs[kState], state_rows(), "");
    UnitBuilder apply = l_.unit(UnitKind::kSimd, node_, "state");
    apply.fire(flow_.tokens());
    const Register map = apply.take(so_far, kEach);
    const Register h = apply.take(before, first_of(flow_.blocks));
    const Register kept =
        apply.op(TileOpKind::kMul, {apply.op(TileOpKind::kSliceRows, {map}, 0, states_), h});
    const Register after =
        apply.op(TileOpKind::kAdd, {kept, apply.op(TileOpKind::kSliceRows, {map}, states_, states_)});
    const Stream states = apply.emit(after, states_, cols_, DType::kFp32);
    UnitBuilder u = l_.unit(UnitKind::kBuffer, node_, "before");
    u.fire(flow_.tokens());
    const Register newest = u.take(states, kEach);
    const Register held = u.take(before, first_of(flow_.blocks));
    return states_from(u, newest, u.op(TileOpKind::kSliceRowsByFiring, {held}, states_, flow_.blocks));
  }
  Stream states_from(UnitBuilder& u, Register newest, std::optional<Register> first) {
    const Register source = first ? u.op(TileOpKind::kConcatRows, {*first, newest}) : newest;
    const Stream pairs = u.emit(source, 2 * states_, cols_, DType::kFp32,
                                {kEach, Accumulate::kConcatRows, flow_.blocks, 2 * states_});
    const Stream left =
        u.emit(newest, states_, cols_, DType::kFp32, {last_of(flow_.blocks), Accumulate::kNone, 1, 0});
    l_.store(node_.inputs[kState], left, state_rows(), "");
    return pairs;
  }

  Stream blocks(const Stream& x, const Stream& step, const Stream& bc, const Stream& a, const Stream& d) {
    const Stream states = node_.integer("past_tokens") > 0 ? states_after_memory(composed(x, step, bc, a))
                                                           : states_after_zero(composed(x, step, bc, a));
    UnitBuilder u = l_.unit(UnitKind::kSimd, node_);
    u.fire(flow_.tokens());
    const Register rx = u.take(x, kEach);
    const Register rs = u.take(step, kEach);
    const Register rb = u.take(bc, kEach);
    const Register ra = u.take(a, first_of(flow_.tokens()));
    const Register rd = u.take(d, first_of(flow_.tokens()));
    const Register rm = u.take(states, kEach);
    const Register h = u.op(TileOpKind::kTapRows, {rm, ra}, states_);
    const Register inputs = u.op(TileOpKind::kConcatCols, {rx, rs});
    const Register scanned = u.op(TileOpKind::kScan, {inputs, rb, u.op(TileOpKind::kConcatRows, {ra, h})});
    return u.emit(with_skip(u, scanned, rx, rd), flow_.rows, cols_, dtype());
  }

  Lowering& l_;
  const Node& node_;
  int64_t states_;
  int64_t cols_;
  Flow outer_;
  bool decode_;
  Flow flow_;
};

Status lower(Lowering& l, const Node& node) {
  ScanLowering(l, node).run();
  return {};
}

}  // namespace

const OpRecord kSelectiveScanRecord = {
    .doc =
        "x, step [B*T,c], B and C [B*T,2n], A [n,c], D [1,c], state [B*n,c] -> [B*T,c]: the selective scan "
        "of each "
        "channel's n states; leaves the last states",
    .attributes = {"past_tokens", "query_tokens"},
    .min_inputs = 6,
    .max_inputs = 6,
    .infer = infer,
    .cost = cost,
    .reference = reference,
    .lower = lower,
    .cut_operands = "ccwccc",
};

}  // namespace rdusim::compiler
