// linear: y = x W^T + b with W as stored, [n,k]. Products and sums in FP32, in the order of k; one rounding
// at the end.
#include "compiler/ops/op.h"

#include <optional>

#include "compiler/ops/operands.h"
#include "compiler/ops/weight_stream.h"
#include "compiler/passes/lowering.h"

namespace rdusim::compiler {
namespace {

Result<Shape> infer(const Graph& graph, const Node& node) {
  const Value& x = operand(graph, node, 0);
  const Value& w = operand(graph, node, 1);
  RDU_CHECK_OK(expect_cols(node, "weight", w, x.shape.cols()));
  if (node.inputs.size() == 3) {
    const Value& bias = operand(graph, node, 2);
    RDU_CHECK_OK(expect_rows(node, "bias", bias, 1));
    RDU_CHECK_OK(expect_cols(node, "bias", bias, w.shape.rows()));
  }
  return matrix(x.shape.rows(), w.shape.rows());
}

OpCost cost(const Graph& graph, const Node& node) {
  const Shape& x = operand(graph, node, 0).shape;
  const int64_t n = operand(graph, node, 1).shape.rows();
  const int64_t bias_flops = node.inputs.size() == 3 ? x.rows() * n : 0;
  return OpCost{2 * x.rows() * n * x.cols() + bias_flops, weight_operand_bytes(graph, node)};
}

Tensor reference(const ReferenceContext& context) {
  const Tensor& x = *context.inputs[0];
  const Tensor& w = *context.inputs[1];
  const Tensor* bias = context.inputs.size() == 3 ? context.inputs[2] : nullptr;
  Tensor result(x.rows(), w.rows());
  for (int64_t r = 0; r < x.rows(); ++r) {
    for (int64_t n = 0; n < w.rows(); ++n) {
      float sum = 0;
      for (int64_t k = 0; k < x.cols(); ++k) sum += x.at(r, k) * w.at(n, k);
      result.at(r, n) = bias != nullptr ? sum + bias->at(0, n) : sum;
    }
  }
  return rounded(context, std::move(result));
}

// One row block: weights are used as they arrive. Several: weights wait in PMUs, or stream again for each
// block if they do not fit.
Status lower_streaming(Lowering& l, const Node& node, const Flow& flow) {
  const int64_t n = l.value(node.inputs[1]).shape.rows();
  const auto [range, per_block] = stream_of_weight(l, node.inputs[1], flow);
  const Stream x = l.activation(node.inputs[0]);
  const Stream weights = l.load(node.inputs[1], range, "");
  std::optional<Stream> bias;
  if (node.inputs.size() == 3) bias = l.whole(node.inputs[2]);
  UnitBuilder gemm = l.unit(UnitKind::kGemm, node);
  gemm.fire(flow.tokens() * per_block);
  const Register rx = gemm.take(x, first_of(per_block));
  const Register rw = gemm.take(weights, kEach);
  std::optional<Register> rb;
  if (bias) rb = gemm.take(*bias, first_of(gemm.unit().firings));
  Register y = gemm.matmul(rx, rw, true);
  if (rb)
    y = gemm.op(TileOpKind::kAdd,
                {y, gemm.op(TileOpKind::kSliceColsByFiring, {*rb}, range.rows_per_token, per_block)});
  const UnitBuilder::Emission whole_rows{last_of(per_block), Accumulate::kConcatCols, per_block, 0};
  l.define(node.outputs[0], gemm.emit(y, flow.rows, n, l.value(node.outputs[0]).dtype, whole_rows), flow);
  return {};
}

Status lower_resident(Lowering& l, const Node& node, const Flow& flow) {
  // Nothing works before the weights are there: their load goes before that of rows, which runs ahead.
  const Stream weights = l.resident(node.inputs[1]);
  const Stream x = l.activation(node.inputs[0]);
  std::optional<Stream> bias;
  if (node.inputs.size() == 3) bias = l.whole(node.inputs[2]);
  UnitBuilder gemm = l.unit(UnitKind::kGemm, node);
  gemm.fire(flow.tokens());
  const Register rx = gemm.take(x, kEach);
  const Register rw = gemm.take(weights, first_of(flow.tokens()));
  std::optional<Register> rb;
  if (bias) rb = gemm.take(*bias, first_of(flow.tokens()));
  Register y = gemm.matmul(rx, rw, true);
  if (rb) y = gemm.op(TileOpKind::kAdd, {y, *rb});
  const Value& result = l.value(node.outputs[0]);
  l.define(node.outputs[0], gemm.emit(y, flow.rows, result.shape.cols(), result.dtype), flow);
  return {};
}

Status lower(Lowering& l, const Node& node) {
  const Flow flow = l.flow(node.inputs[0]);
  return weight_streams(l, flow) ? lower_streaming(l, node, flow) : lower_resident(l, node, flow);
}

}  // namespace

const OpRecord kLinearRecord = {
    .doc = "x [m,k], w [n,k], optional bias [1,n] -> [m,n]: x w^T + bias",
    .attributes = {},
    .min_inputs = 2,
    .max_inputs = 3,
    .infer = infer,
    .cost = cost,
    .reference = reference,
    .lower = lower,
};

}  // namespace rdusim::compiler
