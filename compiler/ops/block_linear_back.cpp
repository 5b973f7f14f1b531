// block_linear_back: what a block_linear's result asks of its input: dx = dy W, with W block-diagonal.
#include "compiler/ops/block_linear.h"

#include "compiler/ops/op.h"

namespace rdusim::compiler {
namespace {

Result<Shape> infer(const Graph& graph, const Node& node) {
  const Value& dy = operand(graph, node, 0);
  const Value& w = operand(graph, node, 1);
  RDU_CHECK_OK(expect_blocks(node, dy));
  RDU_CHECK_OK(expect_rows(node, "weight", w, dy.shape.cols()));
  return matrix(dy.shape.rows(), w.shape.cols() * node.integer("blocks"));
}

OpCost cost(const Graph& graph, const Node& node) {
  const Shape& w = operand(graph, node, 1).shape;
  return OpCost{2 * operand(graph, node, 0).shape.rows() * w.elements(), weight_operand_bytes(graph, node)};
}

Tensor reference(const ReferenceContext& context) {
  const Tensor& dy = *context.inputs[0];
  const Tensor& w = *context.inputs[1];
  const int64_t blocks = context.node->integer("blocks");
  const int64_t run = w.rows() / blocks;
  Tensor result(dy.rows(), w.cols() * blocks);
  for (int64_t r = 0; r < dy.rows(); ++r) {
    for (int64_t n = 0; n < w.rows(); ++n) {
      for (int64_t k = 0; k < w.cols(); ++k) result.at(r, n / run * w.cols() + k) += dy.at(r, n) * w.at(n, k);
    }
  }
  return rounded(context, std::move(result));
}

Status lower(Lowering& l, const Node& node) {
  return lower_block_product(l, node, false);
}

}  // namespace

const OpRecord kBlockLinearBackRecord = {
    .doc = "dy [m,n], w [n,k/B] -> [m,k]: dy W with W block-diagonal, the gradient of a block_linear's input",
    .attributes = {"blocks"},
    .min_inputs = 2,
    .max_inputs = 2,
    .infer = infer,
    .cost = cost,
    .reference = reference,
    .lower = lower,
};

}  // namespace rdusim::compiler
