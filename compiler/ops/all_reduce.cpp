// all_reduce: the sum over sockets of their partial results, on every socket. Inserted by the shard pass; a
// sharded graph is not interpreted, so the reference knows one socket only.
#include "compiler/ops/op.h"

#include "base/check.h"
#include "compiler/ops/operands.h"
#include "compiler/passes/lowering.h"

namespace rdusim::compiler {
namespace {

Result<Shape> infer(const Graph& graph, const Node& node) {
  const Value& x = operand(graph, node, 0);
  RDU_CHECK_OK(expect_positive(node, {"sockets"}));
  return matrix(x.shape.rows(), x.shape.cols());
}

// Sums of one socket: with a reduce-scatter each element is summed once, by one socket of S.
OpCost cost(const Graph& graph, const Node& node) {
  const int64_t sockets = node.integer("sockets");
  return OpCost{operand(graph, node, 0).shape.elements() * (sockets - 1) / sockets, 0};
}

Tensor reference(const ReferenceContext& context) {
  RDU_CHECK(context.node->integer("sockets") == 1, "{}: sharded graphs are not interpreted",
            context.node->name);
  return rounded(context, *context.inputs[0]);
}

// Reduce-scatter by direct exchange, then all-gather: each socket sums one chunk of columns, in socket order,
// so all hold the same bits.
Status lower(Lowering& l, const Node& node) {
  const Flow flow = l.flow(node.inputs[0]);
  const Value& result = l.value(node.outputs[0]);
  const int64_t width = result.shape.cols();
  const int64_t chunk = ceil_div(width, node.integer("sockets"));
  const Stream partial = l.activation(node.inputs[0]);
  const Stream sum = l.exchange(node, "reduce", partial, flow,
                                {ExchangeMode::kScatterCols, Combine::kSum, chunk, chunk, result.dtype});
  const Stream whole =
      l.exchange(node, "gather", sum, flow,
                 {ExchangeMode::kBroadcast, Combine::kConcatCols, chunk, width, result.dtype});
  l.define(node.outputs[0], whole, flow);
  return {};
}

}  // namespace

const OpRecord kAllReduceRecord = {
    .doc = "x [m,n] on each socket -> [m,n]: sum over sockets, in socket order",
    .attributes = {"sockets"},
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = infer,
    .cost = cost,
    .reference = reference,
    .lower = lower,
};

}  // namespace rdusim::compiler
