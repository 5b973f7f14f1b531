// vote: how many of the k neighbours carry each label. A label outside 0 .. classes-1 counts for nobody.
#include "compiler/ops/op.h"

#include "base/check.h"
#include "compiler/ops/operands.h"
#include "compiler/passes/lowering.h"

namespace rdusim::compiler {
namespace {

Result<Shape> infer(const Graph& graph, const Node& node) {
  const Value& neighbours = operand(graph, node, 0);
  const Value& labels = operand(graph, node, 1);
  RDU_CHECK_OK(expect_positive(node, {"classes", "k"}));
  RDU_CHECK_OK(expect_cols(node, "top-k", neighbours, 2 * node.integer("k")));
  RDU_CHECK_OK(expect_rows(node, "labels", labels, 1));
  return matrix(neighbours.shape.rows(), node.integer("classes"));
}

// One comparison a neighbour and class.
OpCost cost(const Graph& graph, const Node& node) {
  const int64_t rows = operand(graph, node, 0).shape.rows();
  return OpCost{rows * node.integer("k") * node.integer("classes"), weight_operand_bytes(graph, node)};
}

Tensor reference(const ReferenceContext& context) {
  const Tensor& neighbours = *context.inputs[0];
  const Tensor& labels = *context.inputs[1];
  const int64_t k = context.node->integer("k");
  Tensor result(neighbours.rows(), context.node->integer("classes"));
  for (int64_t r = 0; r < neighbours.rows(); ++r) {
    for (int64_t i = 0; i < k; ++i) {
      const auto column = static_cast<int64_t>(neighbours.at(r, k + i));
      RDU_CHECK(column >= 0 && column < labels.cols(), "{}: neighbour {} of {}", context.node->name, column,
                labels.cols());
      const auto label = static_cast<int64_t>(labels.at(0, column));
      if (label >= 0 && label < result.cols()) result.at(r, label) += 1;
    }
  }
  return rounded(context, std::move(result));
}

Status lower(Lowering& l, const Node& node) {
  const Flow flow = l.flow(node.inputs[0]);
  const Stream neighbours = l.activation(node.inputs[0]);
  const Stream labels = l.whole(node.inputs[1]);
  const Value& result = l.value(node.outputs[0]);
  const int64_t k = node.integer("k");
  UnitBuilder u = l.unit(UnitKind::kSimd, node);
  u.fire(flow.tokens());
  const Register top = u.take(neighbours, kEach);
  const Register table = u.take(labels, first_of(flow.tokens()));
  const Register classes = u.op(TileOpKind::kLookup, {table, u.op(TileOpKind::kSliceCols, {top}, k, k)});
  const Register counts = u.op(TileOpKind::kHistogram, {classes}, node.integer("classes"));
  l.define(node.outputs[0], u.emit(counts, flow.rows, result.shape.cols(), result.dtype), flow);
  return {};
}

}  // namespace

const OpRecord kVoteRecord = {
    .doc = "topk [m,2k], labels [1,N] -> [m,classes]: neighbours with each label",
    .attributes = {"classes", "k"},
    .min_inputs = 2,
    .max_inputs = 2,
    .infer = infer,
    .cost = cost,
    .reference = reference,
    .lower = lower,
};

}  // namespace rdusim::compiler
