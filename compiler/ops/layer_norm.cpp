// layer_norm: y = g (x - mean) / sqrt(variance + eps) + b, the variance over n. Statistics and scale in FP32,
// one rounding at the end.
#include "compiler/ops/op.h"

#include <cmath>
#include <optional>

#include "compiler/ops/operands.h"
#include "compiler/passes/lowering.h"

namespace rdusim::compiler {
namespace {

Result<Shape> infer(const Graph& graph, const Node& node) {
  const Value& x = operand(graph, node, 0);
  for (size_t i = 1; i < node.inputs.size(); ++i) {
    RDU_CHECK_OK(expect_rows(node, i == 1 ? "gain" : "bias", operand(graph, node, i), 1));
    RDU_CHECK_OK(expect_cols(node, i == 1 ? "gain" : "bias", operand(graph, node, i), x.shape.cols()));
  }
  if (node.real("eps") < 0) return operand_error(node, "attribute eps is negative");
  return matrix(x.shape.rows(), x.shape.cols());
}

// Sum, difference, square and sum, scale, gain, bias for each element.
OpCost cost(const Graph& graph, const Node& node) {
  return elementwise_cost(graph, node, 7);
}

Tensor reference(const ReferenceContext& context) {
  const Tensor& x = *context.inputs[0];
  const Tensor& gain = *context.inputs[1];
  const Tensor* bias = context.inputs.size() == 3 ? context.inputs[2] : nullptr;
  const auto eps = static_cast<float>(context.node->real("eps"));
  const auto width = static_cast<float>(x.cols());
  Tensor result(x.rows(), x.cols());
  for (int64_t r = 0; r < x.rows(); ++r) {
    float sum = 0;
    for (int64_t c = 0; c < x.cols(); ++c) sum += x.at(r, c);
    const float mean = sum / width;
    float squares = 0;
    for (int64_t c = 0; c < x.cols(); ++c) squares += (x.at(r, c) - mean) * (x.at(r, c) - mean);
    const float scale = 1.0F / std::sqrt(squares / width + eps);
    for (int64_t c = 0; c < x.cols(); ++c) {
      const float y = (x.at(r, c) - mean) * scale * gain.at(0, c);
      result.at(r, c) = bias != nullptr ? y + bias->at(0, c) : y;
    }
  }
  return rounded(context, std::move(result));
}

Status lower(Lowering& l, const Node& node) {
  const Flow flow = l.flow(node.inputs[0]);
  const Stream x = l.activation(node.inputs[0]);
  const Stream gain = l.whole(node.inputs[1]);
  std::optional<Stream> bias;
  if (node.inputs.size() == 3) bias = l.whole(node.inputs[2]);
  const Value& result = l.value(node.outputs[0]);
  const double share = 1.0 / static_cast<double>(result.shape.cols());
  UnitBuilder u = l.unit(UnitKind::kSimd, node);
  u.fire(flow.tokens());
  const Register rx = u.take(x, kEach);
  const Register rg = u.take(gain, first_of(flow.tokens()));
  std::optional<Register> rb;
  if (bias) rb = u.take(*bias, first_of(flow.tokens()));
  const auto mean = [&](Register r) {
    return u.scalar_op(TileOpKind::kMulScalar, u.op(TileOpKind::kRowSum, {r}), share);
  };
  const Register centred = u.op(TileOpKind::kSub, {rx, mean(rx)});
  const Register variance = mean(u.op(TileOpKind::kMul, {centred, centred}));
  const Register scale =
      u.op(TileOpKind::kRsqrt, {u.scalar_op(TileOpKind::kAddScalar, variance, node.real("eps"))});
  Register y = u.op(TileOpKind::kMul, {u.op(TileOpKind::kMul, {centred, scale}), rg});
  if (rb) y = u.op(TileOpKind::kAdd, {y, *rb});
  l.define(node.outputs[0], u.emit(y, flow.rows, result.shape.cols(), result.dtype), flow);
  return {};
}

}  // namespace

const OpRecord kLayerNormRecord = {
    .doc = "x [m,h], g [1,h], optional b [1,h] -> [m,h]: g (x - mean) / sqrt(variance + eps) + b, row by row",
    .attributes = {"eps"},
    .min_inputs = 2,
    .max_inputs = 3,
    .infer = infer,
    .cost = cost,
    .reference = reference,
    .lower = lower,
    .row_wise = true,
};

}  // namespace rdusim::compiler
