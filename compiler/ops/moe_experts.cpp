// moe_experts: a mixture of gated MLPs. Row r goes through its k experts e of gate [m,2k] (moe_gate):
//
//   y_r = sum over e of weight_e (act(x_r G_e^T) * (x_r U_e^T)) D_e^T
//
// Weights of all experts stand in one tensor, interleaved: row i * experts + e of the gate and up tensors
// [f * experts, h] is row i of expert e, and so for the down tensor [h * experts, f]; so a cut of f over
// sockets is a cut into runs of rows. `form` is the activation (activation.h). With a sixth operand, the
// number of the first expert that is here, `experts` are those from it on, and choices of others are left
// out.
//
// Lowering: dispatch sorts (row, choice) pairs by expert into blocks of one expert each
// (base/program/tile_dispatch.h); a block gathers its rows of x from a buffer and its expert's weight rows
// from memory, and its results wait in a buffer until every row picks its k results and adds them. The number
// of blocks is the most that any choice of experts can need, so fewer distinct experts than the bound re-read
// the last one: one row streams exactly its k experts; many rows stream every expert. APPROX: batches between
// (rows * k near the number of experts) are charged for the worst choice: at 4 rows, k 2 of 8 experts, 8
// experts where uniform routing hits 5.5 on average. MoeLoad::kUniform has room for the mean instead
// (moe_plan.h).
#include "compiler/ops/op.h"

#include <fmt/format.h>

#include "compiler/ops/activation.h"
#include "compiler/ops/moe_plan.h"
#include "compiler/ops/operands.h"
#include "compiler/passes/lowering.h"

namespace rdusim::compiler {
namespace {

// Weight tokens of the usual size in flight, so that the stream of gathered rows covers the memory's latency.
constexpr int64_t kTokensAhead = 8;

Result<Shape> infer(const Graph& graph, const Node& node) {
  RDU_CHECK_OK(expect_positive(node, {"experts", "k"}));
  const int64_t form = node.integer("form");
  if (form < 0 || form >= kActivationForms) return operand_error(node, "attribute form is no known form");
  const MoeSizes s(graph, node);
  const Value& x = operand(graph, node, kRows);
  RDU_CHECK_OK(expect_rows(node, "gate", operand(graph, node, kGate), x.shape.rows()));
  RDU_CHECK_OK(expect_cols(node, "gate", operand(graph, node, kGate), 2 * s.k));
  const bool some = node.inputs.size() > kFirstExpert;
  if (some && operand(graph, node, kFirstExpert).shape.elements() != 1)
    return operand_error(node, "the first expert here is not one number");
  if (!some && s.k > s.experts)
    return operand_error(node, fmt::format("k is {} but there are {} experts", s.k, s.experts));
  for (const size_t i : {kGateWeight, kUpWeight}) {
    RDU_CHECK_OK(expect_rows(node, "weight", operand(graph, node, i), s.inner * s.experts));
    RDU_CHECK_OK(expect_cols(node, "weight", operand(graph, node, i), s.width));
  }
  RDU_CHECK_OK(expect_rows(node, "down weight", operand(graph, node, kDownWeight), s.width * s.experts));
  RDU_CHECK_OK(expect_cols(node, "down weight", operand(graph, node, kDownWeight), s.inner));
  return matrix(x.shape.rows(), s.width);
}

// Of the chosen experts; weight bytes of as many experts as the rows can choose.
OpCost cost(const Graph& graph, const Node& node) {
  const MoeSizes s(graph, node);
  const int64_t pairs = operand(graph, node, kRows).shape.rows() * s.most_choices();
  const int64_t weights = 3 * s.inner * s.width;
  const int64_t bytes = dtype_bytes(operand(graph, node, kGateWeight).dtype);
  return OpCost{pairs * (2 * weights + 5 * s.inner + 2 * s.width),
                std::min(pairs, s.experts) * weights * bytes};
}

float dot(const Tensor& a, int64_t row, const Tensor& b, int64_t b_row) {
  float sum = 0;
  for (int64_t c = 0; c < a.cols(); ++c) sum += a.at(row, c) * b.at(b_row, c);
  return sum;
}

Tensor reference(const ReferenceContext& context) {
  const Node& node = *context.node;
  const MoeSizes s(*context.graph, node);
  const Tensor& x = *context.inputs[kRows];
  const Tensor& gate = *context.inputs[kGate];
  Tensor result(x.rows(), s.width);
  Tensor inner(1, s.inner);
  const float first = node.inputs.size() > kFirstExpert ? context.inputs[kFirstExpert]->at(0, 0) : 0;
  const auto stored = [&](float v) {
    return rounds(context, context.graph->value(node.outputs[0]).dtype) ? round_to_bf16(v) : v;
  };
  for (int64_t r = 0; r < x.rows(); ++r) {
    for (int64_t j = 0; j < s.k; ++j) {
      const auto expert = static_cast<int64_t>(gate.at(r, s.k + j) - first);
      if (expert < 0 || expert >= s.experts) continue;
      for (int64_t i = 0; i < s.inner; ++i) {
        const float g = stored(dot(x, r, *context.inputs[kGateWeight], i * s.experts + expert));
        const float u = stored(dot(x, r, *context.inputs[kUpWeight], i * s.experts + expert));
        inner.at(0, i) = stored(activate(static_cast<ActivationForm>(node.integer("form")), g) * u);
      }
      for (int64_t c = 0; c < s.width; ++c) {
        const float y = stored(dot(inner, 0, *context.inputs[kDownWeight], c * s.experts + expert));
        result.at(r, c) += gate.at(r, j) * y;
      }
    }
  }
  return rounded(context, std::move(result));
}

class ExpertsLowering {
 public:
  ExpertsLowering(Lowering& l, const Node& node)
      : l_(l),
        node_(node),
        s_(l.graph(), node),
        flow_(l.flow(node.inputs[kRows])),
        plan_(flow_, s_, l.graph().query_tokens, l.moe_load()) {}

  void run() {
    const Stream x = l_.activation(node_.inputs[kRows]);
    const Stream gate = l_.activation(node_.inputs[kGate]);
    l_.wait_for(plan_.tokens_a_group);
    const Stream plan = dispatch(gate);
    const Stream rows = gathered_rows(x, plan);
    const Stream g = product("gate", rows, plan, kGateWeight, s_.inner);
    const Stream up = product("up", rows, plan, kUpWeight, s_.inner);
    const Stream inner = gated(g, up);
    const Stream y = product("down", inner, plan, kDownWeight, s_.width);
    l_.define(node_.outputs[0], combined(y, gate), flow_);
  }

 private:
  [[nodiscard]] DType dtype() const { return l_.value(node_.outputs[0]).dtype; }
  [[nodiscard]] int64_t total_blocks() const { return plan_.groups * plan_.blocks; }
  Stream collected(const char* name, const Stream& rows, int64_t tokens) {
    UnitBuilder u = l_.unit(UnitKind::kBuffer, node_, name);
    u.fire(tokens * plan_.groups);
    const Register in = u.take(rows, kEach);
    Stream all = u.emit(in, rows.rows * tokens, rows.cols, rows.dtype,
                        {last_of(tokens), Accumulate::kConcatRows, tokens, 0});
    all.capacity_tokens = 1;
    return all;
  }

  // Expert numbers of a token, counted from the first one here; below 0 those that are not here.
  Stream numbers_here(const Stream& gate) {
    const Stream first = l_.whole(node_.inputs[kFirstExpert]);
    UnitBuilder u = l_.unit(UnitKind::kSimd, node_, "experts_here");
    u.fire(flow_.tokens());
    const Register all = u.take(gate, kEach);
    const Register from = u.take(first, first_of(flow_.tokens()));
    const Register x = u.op(TileOpKind::kSub, {u.op(TileOpKind::kSliceCols, {all}, s_.k, s_.k), from});
    const Register end = u.scalar_op(TileOpKind::kAddScalar, u.scalar_op(TileOpKind::kMulScalar, from, 0.0),
                                     static_cast<double>(s_.experts));
    const Register beyond = u.op(TileOpKind::kCmpLessEqual, {end, x});
    const Register back = u.op(TileOpKind::kMul, {beyond, u.scalar_op(TileOpKind::kAddScalar, x, 1.0)});
    return u.emit(u.op(TileOpKind::kSub, {x, back}), flow_.rows, s_.k, DType::kFp32);  // those: -1
  }

  // Expert numbers of a group, whole.
  Stream group_ids(const char* name, const Stream& gate) {
    const bool some = node_.inputs.size() > kFirstExpert;
    const Stream tokens = some ? numbers_here(gate) : gate;
    UnitBuilder u = l_.unit(UnitKind::kBuffer, node_, name);
    u.fire(flow_.tokens());
    Register ids = u.take(tokens, kEach);
    if (!some) ids = u.op(TileOpKind::kSliceCols, {ids}, s_.k, s_.k);
    const int64_t n = plan_.tokens_a_group;
    return u.emit(ids, flow_.rows * n, s_.k, DType::kFp32, {last_of(n), Accumulate::kConcatRows, n, 0});
  }

  // A token a block: [row of the group or -1, expert] a place.
  Stream dispatch(const Stream& gate) {
    ids_ = group_ids("expert_ids", gate);
    UnitBuilder u = l_.unit(UnitKind::kSimd, node_, "dispatch");
    u.fire(total_blocks());
    const Register all =
        u.op(TileOpKind::kDispatch, {u.take(ids_, first_of(plan_.blocks))}, plan_.blocks, plan_.block_rows);
    const Register block = u.op(TileOpKind::kSliceRowsByFiring, {all}, plan_.block_rows, plan_.blocks);
    return u.emit(block, plan_.block_rows, 2, DType::kFp32);
  }

  Stream gathered_rows(const Stream& x, const Stream& plan) {
    const Stream all = collected("rows", x, plan_.tokens_a_group);
    UnitBuilder u = l_.unit(UnitKind::kBuffer, node_, "gather");
    u.fire(total_blocks());
    const Register rx = u.take(all, first_of(plan_.blocks));
    const Register rp = u.take(plan, kEach);
    const Register picked = u.op(TileOpKind::kGatherRows, {rx, u.op(TileOpKind::kSliceCols, {rp}, 0, 1)});
    return u.emit(picked, plan_.block_rows, x.cols, x.dtype);
  }

  // The block is read anew for each token of weights: rows of these that weigh as much as it does.
  [[nodiscard]] static int64_t balanced_rows(const Stream& block, const Value& weight) {
    return block.rows * block.cols * dtype_bytes(block.dtype) /
           (weight.shape.cols() * dtype_bytes(weight.dtype));
  }

  // in E^T for the block's expert: weight rows i * experts + e, in tokens of some i.
  Stream product(const std::string& name, const Stream& in, const Stream& plan, size_t weight,
                 int64_t outputs) {
    const ValueId w = node_.inputs[weight];
    const int64_t stream_rows = l_.stream_rows(w);
    const int64_t rows = std::min(std::max(stream_rows, balanced_rows(in, l_.value(w))), outputs);
    const int64_t tokens = ceil_div(outputs, rows);
    const Flow weight_flow{rows, tokens, total_blocks()};
    Stream weights =
        l_.gather(node_, name + "_weights", w, row_numbers(name, plan, outputs, rows, tokens), weight_flow);
    weights.capacity_tokens = std::max<int64_t>(2, kTokensAhead * stream_rows / rows);
    UnitBuilder u = l_.unit(UnitKind::kGemm, node_, name);
    u.fire(total_blocks() * tokens);
    const Register rx = u.take(in, first_of(tokens));
    const Register rw = u.take(weights, kEach);
    return u.emit(u.matmul(rx, rw, true), plan_.block_rows, outputs, dtype(),
                  {last_of(tokens), Accumulate::kConcatCols, tokens, 0});
  }

  Stream row_numbers(const std::string& name, const Stream& plan, int64_t outputs, int64_t rows,
                     int64_t tokens) {
    UnitBuilder u = l_.unit(UnitKind::kSimd, node_, name + "_rows");
    u.fire(total_blocks() * tokens);
    const Register block = u.take(plan, first_of(tokens));
    const Register expert = u.op(TileOpKind::kSliceRows, {u.op(TileOpKind::kSliceCols, {block}, 1, 1)}, 0, 1);
    // 0, 1, ... outputs - 1 by the coordinates of a column made for it, from whose first they are counted.
    const Register column =
        u.op(TileOpKind::kRowIndex, {u.op(TileOpKind::kRepeatRows, {expert}, outputs)}, 1);
    const Register first = u.op(TileOpKind::kSliceRows, {column}, 0, 1);
    const Register index =
        u.op(TileOpKind::kSliceRowsByFiring, {u.op(TileOpKind::kSub, {column, first})}, rows, tokens);
    const Register scaled = u.scalar_op(TileOpKind::kMulScalar, index, static_cast<double>(s_.experts));
    Stream numbers = u.emit(u.op(TileOpKind::kAdd, {scaled, expert}), rows, 1, DType::kFp32);
    numbers.capacity_tokens = kTokensAhead;
    return numbers;
  }

  Stream gated(const Stream& gate, const Stream& up) {
    UnitBuilder u = l_.unit(UnitKind::kSimd, node_, "gated");
    u.fire(total_blocks());
    const Register rg = u.take(gate, kEach);
    const Register ru = u.take(up, kEach);
    const Register y = u.op(
        TileOpKind::kMul, {lower_activation(u, static_cast<ActivationForm>(node_.integer("form")), rg), ru});
    return u.emit(y, plan_.block_rows, s_.inner, dtype());
  }

  // Each row's results, by their places, times their weights.
  Stream combined(const Stream& y, const Stream& gate) {
    const Stream results = collected("results", y, plan_.blocks);
    const int64_t n = plan_.tokens_a_group;
    UnitBuilder places = l_.unit(UnitKind::kSimd, node_, "places");
    places.fire(plan_.groups);
    const Register all =
        places.op(TileOpKind::kDispatchPlace, {places.take(ids_, kEach)}, plan_.blocks, plan_.block_rows);
    const Stream where = places.emit(all, ids_.rows, s_.k, DType::kFp32);
    Stream waiting = gate;  // the group's gates wait until its last block is done
    waiting.capacity_tokens = n + 1;
    UnitBuilder u = l_.unit(UnitKind::kSimd, node_, "combine");
    u.fire(flow_.tokens());
    const Register rr = u.take(results, first_of(n));
    const Register rw = u.take(where, first_of(n));
    const Register rg = u.take(waiting, kEach);
    const Register mine = u.op(TileOpKind::kSliceRowsByFiring, {rw}, flow_.rows, n);
    Register sum = rr;
    for (int64_t j = 0; j < s_.k; ++j) {
      const Register one = u.op(TileOpKind::kGatherRows, {rr, u.op(TileOpKind::kSliceCols, {mine}, j, 1)});
      const Register weighted = u.op(TileOpKind::kMul, {one, u.op(TileOpKind::kSliceCols, {rg}, j, 1)});
      sum = j == 0 ? weighted : u.op(TileOpKind::kAdd, {sum, weighted});
    }
    return u.emit(sum, flow_.rows, s_.width, dtype());
  }

  Lowering& l_;
  const Node& node_;
  MoeSizes s_;
  Flow flow_;
  MoePlan plan_;
  Stream ids_;
};

Status lower(Lowering& l, const Node& node) {
  const Value& w = l.value(node.inputs[kGateWeight]);
  if (w.full_shape.rows() != w.shape.rows() * l.graph().sockets && w.shard.kind == ShardKind::kRows) {
    return Error{ErrorCode::kUnsupported, node.name,
                 fmt::format("{} columns an expert do not divide over {} sockets",
                             w.full_shape.rows() / node.integer("experts"), l.graph().sockets),
                 "choose a number of sockets that divides them"};
  }
  ExpertsLowering(l, node).run();
  return {};
}

}  // namespace

const OpRecord kMoeExpertsRecord = {
    .doc =
        "x [m,h], gate [m,2k], gate and up weights [f*E,h], down weights [h*E,f], interleaved by expert, "
        "number "
        "of the first expert (none: 0) -> [m,h]: sum over those of each row's k experts that are here of "
        "weight "
        "(act(x G^T) * (x U^T)) D^T",
    .attributes = {"experts", "form", "k"},
    .min_inputs = 5,
    .max_inputs = 6,
    .infer = infer,
    .cost = cost,
    .reference = reference,
    .lower = lower,
    .gathers_weights = true,
};

}  // namespace rdusim::compiler
