// cross_entropy_back: the gradient of the mean cross-entropy: scale (softmax(logits) - 1 at the target). Of
// logits that are cut over sockets: with the logarithm of the sum of exponentials of whole rows, and the
// number of the first column that is here.
#include "compiler/ops/op.h"

#include <cmath>

#include "base/check.h"
#include "compiler/ops/attention.h"
#include "compiler/ops/operands.h"
#include "compiler/ops/targets.h"
#include "compiler/passes/lowering.h"

namespace rdusim::compiler {
namespace {

constexpr size_t kLogSum = 2, kFirst = 3;

bool is_cut(const Node& node) {
  return node.inputs.size() > kLogSum;
}

Result<Shape> infer(const Graph& graph, const Node& node) {
  RDU_CHECK_OK(expect_targets(graph, node));
  const Value& logits = operand(graph, node, 0);
  if (node.inputs.size() == 3) return operand_error(node, "a logarithm of sums without the first column");
  if (is_cut(node)) {
    RDU_CHECK_OK(expect_rows(node, "logarithms", operand(graph, node, kLogSum), logits.shape.rows()));
    RDU_CHECK_OK(expect_cols(node, "logarithms", operand(graph, node, kLogSum), 1));
    RDU_CHECK_OK(expect_first_column(graph, node, kFirst));
  }
  return matrix(logits.shape.rows(), logits.shape.cols());
}

OpCost cost(const Graph& graph, const Node& node) {
  return elementwise_cost(graph, node, 6);
}

Tensor reference(const ReferenceContext& context) {
  const Tensor& logits = *context.inputs[0];
  const Tensor& targets = *context.inputs[1];
  const auto scale = static_cast<float>(context.node->real("scale"));
  const bool cut = is_cut(*context.node);
  const auto first = cut ? static_cast<int64_t>(context.inputs[kFirst]->at(0, 0)) : 0;
  Tensor result(logits.rows(), logits.cols());
  for (int64_t r = 0; r < logits.rows(); ++r) {
    std::vector<float> row;
    for (int64_t c = 0; c < logits.cols(); ++c) row.push_back(logits.at(r, c));
    if (cut) {
      for (float& x : row) x = std::exp(x - context.inputs[kLogSum]->at(r, 0));
    }
    const std::vector<float> p = cut ? std::move(row) : softmax(std::move(row));
    for (int64_t c = 0; c < logits.cols(); ++c) {
      const float target = static_cast<int64_t>(targets.at(r, 0)) - first == c ? 1.0F : 0.0F;
      result.at(r, c) = scale * (p[static_cast<size_t>(c)] - target);
    }
  }
  return rounded(context, std::move(result));
}

Status lower(Lowering& l, const Node& node) {
  const Flow flow = l.flow(node.inputs[0]);
  const Stream logits = l.activation(node.inputs[0]);
  const Stream targets = l.activation(node.inputs[1]);
  const bool cut = is_cut(node);
  const Stream log_sums = cut ? l.activation(node.inputs[kLogSum]) : Stream{};
  const Stream firsts = cut ? l.whole(node.inputs[kFirst]) : Stream{};
  UnitBuilder u = l.unit(UnitKind::kSimd, node);
  u.fire(flow.tokens());
  const Register x = u.take(logits, kEach);
  Register target = u.take(targets, kEach);
  const Register log_sum = cut ? u.take(log_sums, kEach) : Register{};
  const Register first = cut ? u.take(firsts, first_of(flow.tokens())) : Register{};
  const auto op = [&](TileOpKind kind, std::initializer_list<Register> r) { return u.op(kind, r); };
  const auto softmax_of = [&] {
    const Register e = op(TileOpKind::kExp, {op(TileOpKind::kSub, {x, op(TileOpKind::kRowMax, {x})})});
    return op(TileOpKind::kMul, {e, op(TileOpKind::kReciprocal, {op(TileOpKind::kRowSum, {e})})});
  };
  const Register p = cut ? op(TileOpKind::kExp, {op(TileOpKind::kSub, {x, log_sum})}) : softmax_of();
  if (cut) target = op(TileOpKind::kSub, {target, first});
  // A row of columns and a column of targets: 1 at the target, [rows, V] through the sum with p's zeros.
  const Register columns =
      op(TileOpKind::kAdd, {u.scalar_op(TileOpKind::kMulScalar, p, 0.0), op(TileOpKind::kColIndex, {x})});
  const Register at = op(TileOpKind::kCmpEqual, {columns, target});
  const Register y = u.scalar_op(TileOpKind::kMulScalar, op(TileOpKind::kSub, {p, at}), node.real("scale"));
  const Value& result = l.value(node.outputs[0]);
  l.define(node.outputs[0], u.emit(y, flow.rows, result.shape.cols(), result.dtype), flow);
  return {};
}

}  // namespace

const OpRecord kCrossEntropyBackRecord = {
    .doc =
        "logits [m,V], targets [m,1] (cut over sockets: log sum exp of whole rows [m,1], number of the first "
        "column here [1,1]) -> [m,V]: scale (softmax - 1 at the target)",
    .attributes = {"scale"},
    .min_inputs = 2,
    .max_inputs = 4,
    .infer = infer,
    .cost = cost,
    .reference = reference,
    .lower = lower,
};

}  // namespace rdusim::compiler
