// block_linear_grad: the gradient of a block-diagonal weight's stored blocks: block b is dy_b^T x_b, summed
// over all rows in FP32. Lowering as of linear_grad, block by block.
#include "compiler/ops/block_linear.h"

#include "compiler/ops/op.h"

namespace rdusim::compiler {
namespace {

Result<Shape> infer(const Graph& graph, const Node& node) {
  const Value& dy = operand(graph, node, 0);
  const Value& x = operand(graph, node, 1);
  RDU_CHECK_OK(expect_blocks(node, dy));
  RDU_CHECK_OK(expect_blocks(node, x));
  RDU_CHECK_OK(expect_rows(node, "input", x, dy.shape.rows()));
  return matrix(dy.shape.cols(), x.shape.cols() / node.integer("blocks"));
}

OpCost cost(const Graph& graph, const Node& node) {
  const int64_t inputs = operand(graph, node, 1).shape.cols() / node.integer("blocks");
  return OpCost{2 * operand(graph, node, 0).shape.elements() * inputs, 0};
}

Tensor reference(const ReferenceContext& context) {
  const Tensor& dy = *context.inputs[0];
  const Tensor& x = *context.inputs[1];
  const int64_t blocks = context.node->integer("blocks");
  const int64_t run = dy.cols() / blocks;
  const int64_t inputs = x.cols() / blocks;
  Tensor result(dy.cols(), inputs);
  for (int64_t r = 0; r < dy.rows(); ++r) {
    for (int64_t n = 0; n < dy.cols(); ++n) {
      for (int64_t k = 0; k < inputs; ++k) result.at(n, k) += dy.at(r, n) * x.at(r, n / run * inputs + k);
    }
  }
  return rounded(context, std::move(result));
}

Status lower(Lowering& l, const Node& node) {
  const Flow flow = l.flow(node.inputs[0]);
  const Stream dy = l.activation(node.inputs[0]);
  const Stream x = l.activation(node.inputs[1]);
  const int64_t tokens = flow.tokens();
  const int64_t blocks = node.integer("blocks");
  UnitBuilder turn = l.unit(UnitKind::kBuffer, node, "turned");
  turn.fire(tokens);
  const Register taken = turn.take(dy, kEach);
  const Stream turned = turn.emit(turn.op(TileOpKind::kTranspose, {taken}), dy.cols, flow.rows, dy.dtype);
  UnitBuilder gemm = l.unit(UnitKind::kGemm, node);
  gemm.fire(tokens);
  const Register rd = gemm.take(turned, kEach);
  const Register rx = gemm.take(x, kEach);
  Register all = rd;
  for (int64_t b = 0; b < blocks; ++b) {
    const Register part = gemm.matmul(block_of_rows(gemm, rd, b, dy.cols, blocks),
                                      block_of_columns(gemm, rx, b, x.cols, blocks), false);
    all = b == 0 ? part : gemm.op(TileOpKind::kConcatRows, {all, part});
  }
  const Value& result = l.value(node.outputs[0]);
  const int64_t n = result.shape.rows();
  Stream sum =
      gemm.emit(all, n, result.shape.cols(), result.dtype, {last_of(tokens), Accumulate::kSum, tokens, 0});
  sum.capacity_tokens = 1;
  l.define(node.outputs[0], sum, Flow{n, 1, 1});
  return {};
}

}  // namespace

const OpRecord kBlockLinearGradRecord = {
    .doc = "dy [m,n], x [m,k] -> [n,k/B]: the gradient of a block_linear's stored blocks",
    .attributes = {"blocks"},
    .min_inputs = 2,
    .max_inputs = 2,
    .infer = infer,
    .cost = cost,
    .reference = reference,
    .lower = lower,
};

}  // namespace rdusim::compiler
