// block_linear: y = x W^T with a block-diagonal W (block_linear.h).
#include "compiler/ops/block_linear.h"

#include "compiler/ops/op.h"

namespace rdusim::compiler {
namespace {

Result<Shape> infer(const Graph& graph, const Node& node) {
  const Value& x = operand(graph, node, 0);
  const Value& w = operand(graph, node, 1);
  RDU_CHECK_OK(expect_blocks(node, x));
  RDU_CHECK_OK(expect_cols(node, "weight", w, x.shape.cols() / node.integer("blocks")));
  if (w.shape.rows() % node.integer("blocks") != 0)
    return operand_error(node, w.name + "'s rows are no whole blocks");
  return matrix(x.shape.rows(), w.shape.rows());
}

OpCost cost(const Graph& graph, const Node& node) {
  const Shape& w = operand(graph, node, 1).shape;
  return OpCost{2 * operand(graph, node, 0).shape.rows() * w.elements(), weight_operand_bytes(graph, node)};
}

Tensor reference(const ReferenceContext& context) {
  const Tensor& x = *context.inputs[0];
  const Tensor& w = *context.inputs[1];
  const int64_t run = w.rows() / context.node->integer("blocks");
  Tensor result(x.rows(), w.rows());
  for (int64_t r = 0; r < x.rows(); ++r) {
    for (int64_t n = 0; n < w.rows(); ++n) {
      for (int64_t k = 0; k < w.cols(); ++k) result.at(r, n) += x.at(r, n / run * w.cols() + k) * w.at(n, k);
    }
  }
  return rounded(context, std::move(result));
}

Status lower(Lowering& l, const Node& node) {
  return lower_block_product(l, node, true);
}

}  // namespace

const OpRecord kBlockLinearRecord = {
    .doc =
        "x [m,k], w [n,k/B] -> [m,n]: x W^T with W block-diagonal, its B blocks stored one under the other",
    .attributes = {"blocks"},
    .min_inputs = 2,
    .max_inputs = 2,
    .infer = infer,
    .cost = cost,
    .reference = reference,
    .lower = lower,
};

}  // namespace rdusim::compiler
