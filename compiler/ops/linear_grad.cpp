// linear_grad: the gradient of a linear's weight: dW = dy^T x, summed over all rows in FP32.
//
// Lowering: blocks of rows are turned in PMUs, multiplied, and added up in the accumulator of the output
// port, so the whole gradient lies on chip until the last row has come.
#include "compiler/ops/op.h"

#include "compiler/ops/operands.h"
#include "compiler/passes/lowering.h"

namespace rdusim::compiler {
namespace {

Result<Shape> infer(const Graph& graph, const Node& node) {
  const Value& dy = operand(graph, node, 0);
  const Value& x = operand(graph, node, 1);
  RDU_CHECK_OK(expect_rows(node, "input", x, dy.shape.rows()));
  return matrix(dy.shape.cols(), x.shape.cols());
}

OpCost cost(const Graph& graph, const Node& node) {
  return OpCost{2 * operand(graph, node, 0).shape.elements() * operand(graph, node, 1).shape.cols(), 0};
}

Tensor reference(const ReferenceContext& context) {
  const Tensor& dy = *context.inputs[0];
  const Tensor& x = *context.inputs[1];
  Tensor result(dy.cols(), x.cols());
  for (int64_t r = 0; r < dy.rows(); ++r) {
    for (int64_t n = 0; n < dy.cols(); ++n) {
      for (int64_t k = 0; k < x.cols(); ++k) result.at(n, k) += dy.at(r, n) * x.at(r, k);
    }
  }
  return rounded(context, std::move(result));
}

Status lower(Lowering& l, const Node& node) {
  const Flow flow = l.flow(node.inputs[0]);
  const Stream dy = l.activation(node.inputs[0]);
  const Stream x = l.activation(node.inputs[1]);
  const int64_t tokens = flow.tokens();
  UnitBuilder turn = l.unit(UnitKind::kBuffer, node, "turned");
  turn.fire(tokens);
  const Register taken = turn.take(dy, kEach);
  const Stream turned = turn.emit(turn.op(TileOpKind::kTranspose, {taken}), dy.cols, flow.rows, dy.dtype);
  UnitBuilder gemm = l.unit(UnitKind::kGemm, node);
  gemm.fire(tokens);
  const Register rd = gemm.take(turned, kEach);
  const Register rx = gemm.take(x, kEach);
  const Register products = gemm.matmul(rd, rx, false);
  const Value& result = l.value(node.outputs[0]);
  const int64_t n = result.shape.rows();
  Stream sum = gemm.emit(products, n, result.shape.cols(), result.dtype,
                         {last_of(tokens), Accumulate::kSum, tokens, 0});
  sum.capacity_tokens = 1;
  l.define(node.outputs[0], sum, Flow{n, 1, 1});
  return {};
}

}  // namespace

const OpRecord kLinearGradRecord = {
    .doc = "dy [m,n], x [m,k] -> [n,k]: dy^T x, the gradient of a linear's weight",
    .attributes = {},
    .min_inputs = 2,
    .max_inputs = 2,
    .infer = infer,
    .cost = cost,
    .reference = reference,
    .lower = lower,
};

}  // namespace rdusim::compiler
