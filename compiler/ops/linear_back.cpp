// linear_back: what a linear's result asks of its input: dx = dy W, with W [n,k] as stored.
#include "compiler/ops/op.h"

#include "compiler/ops/operands.h"
#include "compiler/ops/weight_stream.h"
#include "compiler/passes/lowering.h"

namespace rdusim::compiler {
namespace {

Result<Shape> infer(const Graph& graph, const Node& node) {
  const Value& dy = operand(graph, node, 0);
  const Value& w = operand(graph, node, 1);
  RDU_CHECK_OK(expect_rows(node, "weight", w, dy.shape.cols()));
  return matrix(dy.shape.rows(), w.shape.cols());
}

OpCost cost(const Graph& graph, const Node& node) {
  const Shape& dy = operand(graph, node, 0).shape;
  return OpCost{2 * dy.elements() * operand(graph, node, 1).shape.cols(), weight_operand_bytes(graph, node)};
}

Tensor reference(const ReferenceContext& context) {
  const Tensor& dy = *context.inputs[0];
  const Tensor& w = *context.inputs[1];
  Tensor result(dy.rows(), w.cols());
  for (int64_t r = 0; r < dy.rows(); ++r) {
    for (int64_t n = 0; n < w.rows(); ++n) {
      for (int64_t k = 0; k < w.cols(); ++k) result.at(r, k) += dy.at(r, n) * w.at(n, k);
    }
  }
  return rounded(context, std::move(result));
}

// Rows of the weight that pass by are a part of the reduction: their products add up.
Status lower_streaming(Lowering& l, const Node& node, const Flow& flow) {
  const Value& w = l.value(node.inputs[1]);
  const auto [range, per_block] = stream_of_weight(l, node.inputs[1], flow);
  const Stream dy = l.activation(node.inputs[0]);
  const Stream weights = l.load(node.inputs[1], range, ".back");
  UnitBuilder gemm = l.unit(UnitKind::kGemm, node);
  gemm.fire(flow.tokens() * per_block);
  const Register rd = gemm.take(dy, first_of(per_block));
  const Register rw = gemm.take(weights, kEach);
  const Register part = gemm.op(TileOpKind::kSliceColsByFiring, {rd}, range.rows_per_token, per_block);
  const Register y = gemm.matmul(part, rw, false);
  const UnitBuilder::Emission sums{last_of(per_block), Accumulate::kSum, per_block, 0};
  const Value& result = l.value(node.outputs[0]);
  l.define(node.outputs[0], gemm.emit(y, flow.rows, w.shape.cols(), result.dtype, sums), flow);
  return {};
}

Status lower_resident(Lowering& l, const Node& node, const Flow& flow) {
  const Stream dy = l.activation(node.inputs[0]);
  const Stream weights = l.resident(node.inputs[1]);
  UnitBuilder gemm = l.unit(UnitKind::kGemm, node);
  gemm.fire(flow.tokens());
  const Register rd = gemm.take(dy, kEach);
  const Register rw = gemm.take(weights, first_of(flow.tokens()));
  const Register y = gemm.matmul(rd, rw, false);
  const Value& result = l.value(node.outputs[0]);
  l.define(node.outputs[0], gemm.emit(y, flow.rows, result.shape.cols(), result.dtype), flow);
  return {};
}

Status lower(Lowering& l, const Node& node) {
  const Flow flow = l.flow(node.inputs[0]);
  return weight_streams(l, flow) ? lower_streaming(l, node, flow) : lower_resident(l, node, flow);
}

}  // namespace

const OpRecord kLinearBackRecord = {
    .doc = "dy [m,n], w [n,k] -> [m,k]: dy w, the gradient of a linear's input",
    .attributes = {},
    .min_inputs = 2,
    .max_inputs = 2,
    .infer = infer,
    .cost = cost,
    .reference = reference,
    .lower = lower,
};

}  // namespace rdusim::compiler
