// route: the expert with most votes, lowest number on a tie; the fallback where the votes disagree too much.
#include "compiler/ops/op.h"

#include "compiler/ops/operands.h"
#include "compiler/passes/lowering.h"

namespace rdusim::compiler {
namespace {

Result<Shape> infer(const Graph& graph, const Node& node) {
  const Value& counts = operand(graph, node, 0);
  const Value& entropy = operand(graph, node, 1);
  RDU_CHECK_OK(expect_rows(node, "entropy", entropy, counts.shape.rows()));
  RDU_CHECK_OK(expect_cols(node, "entropy", entropy, 1));
  RDU_CHECK_OK(expect_at_least(node, "fallback", 0));
  return matrix(counts.shape.rows(), 1);
}

// One comparison a class, one with the threshold.
OpCost cost(const Graph& graph, const Node& node) {
  const Shape& counts = operand(graph, node, 0).shape;
  return OpCost{counts.elements() + counts.rows(), 0};
}

Tensor reference(const ReferenceContext& context) {
  const Tensor& counts = *context.inputs[0];
  const Tensor& entropy = *context.inputs[1];
  const auto threshold = static_cast<float>(context.node->real("threshold"));
  const auto fallback = static_cast<float>(context.node->integer("fallback"));
  Tensor result(counts.rows(), 1);
  for (int64_t r = 0; r < counts.rows(); ++r) {
    int64_t best = 0;
    for (int64_t c = 1; c < counts.cols(); ++c) {
      if (counts.at(r, c) > counts.at(r, best)) best = c;
    }
    result.at(r, 0) = entropy.at(r, 0) > threshold ? fallback : static_cast<float>(best);
  }
  return rounded(context, std::move(result));
}

Status lower(Lowering& l, const Node& node) {
  const Flow flow = l.flow(node.inputs[0]);
  const Stream counts = l.activation(node.inputs[0]);
  const Stream entropy = l.activation(node.inputs[1]);
  const Value& result = l.value(node.outputs[0]);
  UnitBuilder u = l.unit(UnitKind::kSimd, node);
  u.fire(flow.tokens());
  const Register c = u.take(counts, kEach);
  const Register h = u.take(entropy, kEach);
  const Register voted = u.op(TileOpKind::kRowArgMax, {c});
  const Register zero = u.scalar_op(TileOpKind::kMulScalar, voted, 0);
  // h > t exactly when h - t > 0: IEEE subtraction never rounds a non-zero difference to zero.
  const Register unsure =
      u.op(TileOpKind::kCmpLess, {zero, u.scalar_op(TileOpKind::kAddScalar, h, -node.real("threshold"))});
  const Register base =
      u.scalar_op(TileOpKind::kAddScalar, zero, static_cast<double>(node.integer("fallback")));
  l.define(node.outputs[0],
           u.emit(u.op(TileOpKind::kSelect, {unsure, base, voted}), flow.rows, 1, result.dtype), flow);
  return {};
}

}  // namespace

const OpRecord kRouteRecord = {
    .doc =
        "counts [m,C], entropy [m,1] -> [m,1]: argmax of counts (ties: lowest), or fallback where entropy > "
        "threshold",
    .attributes = {"fallback", "threshold"},
    .min_inputs = 2,
    .max_inputs = 2,
    .infer = infer,
    .cost = cost,
    .reference = reference,
    .lower = lower,
};

}  // namespace rdusim::compiler
