// moe_gate: which experts a token goes to, and with what weight: softmax over all experts in FP32, the k
// largest (ties: lowest expert first), their probabilities divided by their sum if `normalize` is 1 (Mixtral,
// DBRX; Grok-1 leaves them). Result columns: k weights, then k expert numbers.
#include "compiler/ops/op.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "compiler/ops/operands.h"
#include "compiler/passes/lowering.h"

namespace rdusim::compiler {
namespace {

Result<Shape> infer(const Graph& graph, const Node& node) {
  const Value& logits = operand(graph, node, 0);
  RDU_CHECK_OK(expect_positive(node, {"k"}));
  if (node.integer("k") > logits.shape.cols()) {
    return operand_error(
        node, fmt::format("k is {} but there are {} experts", node.integer("k"), logits.shape.cols()));
  }
  return matrix(logits.shape.rows(), 2 * node.integer("k"));
}

// Exponential, sum, quotient and one comparison a kept place, for each expert.
OpCost cost(const Graph& graph, const Node& node) {
  return elementwise_cost(graph, node, 3 + node.integer("k"));
}

Tensor reference(const ReferenceContext& context) {
  const Tensor& logits = *context.inputs[0];
  const int64_t k = context.node->integer("k");
  Tensor result(logits.rows(), 2 * k);
  std::vector<int64_t> order(static_cast<size_t>(logits.cols()));
  for (int64_t r = 0; r < logits.rows(); ++r) {
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(),
                     [&](int64_t a, int64_t b) { return logits.at(r, a) > logits.at(r, b); });
    const float largest = logits.at(r, order.front());
    float sum = 0;
    for (int64_t e = 0; e < logits.cols(); ++e) sum += std::exp(logits.at(r, e) - largest);
    float kept = 0;
    for (int64_t j = 0; j < k; ++j) {
      const int64_t expert = order[static_cast<size_t>(j)];
      result.at(r, j) = std::exp(logits.at(r, expert) - largest) / sum;
      result.at(r, k + j) = static_cast<float>(expert);
      kept += result.at(r, j);
    }
    if (context.node->integer("normalize") == 0) continue;
    for (int64_t j = 0; j < k; ++j) result.at(r, j) /= kept;
  }
  return rounded(context, std::move(result));
}

// The order of probabilities is that of logits, so the k largest are taken first.
Status lower(Lowering& l, const Node& node) {
  const Flow flow = l.flow(node.inputs[0]);
  const Stream logits = l.activation(node.inputs[0]);
  const Value& result = l.value(node.outputs[0]);
  const int64_t k = node.integer("k");
  UnitBuilder u = l.unit(UnitKind::kSimd, node);
  u.fire(flow.tokens());
  const Register in = u.take(logits, kEach);
  const Register largest = u.op(TileOpKind::kRowMax, {in});
  const auto exponential = [&](Register r) {
    return u.op(TileOpKind::kExp, {u.op(TileOpKind::kSub, {r, largest})});
  };
  const Register best = u.op(TileOpKind::kTopK, {in}, k);
  const Register kept = exponential(u.op(TileOpKind::kSliceCols, {best}, 0, k));
  const Register sum = u.op(TileOpKind::kRowSum, {node.integer("normalize") != 0 ? kept : exponential(in)});
  const Register weights = u.op(TileOpKind::kDiv, {kept, sum});
  const Register y = u.op(TileOpKind::kConcatCols, {weights, u.op(TileOpKind::kSliceCols, {best}, k, k)});
  l.define(node.outputs[0], u.emit(y, flow.rows, 2 * k, result.dtype), flow);
  return {};
}

}  // namespace

const OpRecord kMoeGateRecord = {
    .doc =
        "logits [m,E] -> [m,2k]: softmax probabilities of the k most likely experts (over their sum if "
        "normalize "
        "is 1), then the experts' numbers",
    .attributes = {"k", "normalize"},
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = infer,
    .cost = cost,
    .reference = reference,
    .lower = lower,
};

}  // namespace rdusim::compiler
