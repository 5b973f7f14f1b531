// all_gather: puts the column shards of all sockets side by side, on every socket. Inserted by the shard
// pass; a sharded graph is not interpreted, so the reference knows one socket only.
#include "compiler/ops/op.h"

#include <fmt/format.h>

#include "base/check.h"
#include "compiler/ops/operands.h"
#include "compiler/passes/lowering.h"

namespace rdusim::compiler {
namespace {

Result<Shape> infer(const Graph& graph, const Node& node) {
  const Value& x = operand(graph, node, 0);
  RDU_CHECK_OK(expect_positive(node, {"full_cols", "sockets"}));
  const int64_t full_cols = node.integer("full_cols");
  const int64_t held = x.shape.cols() * node.integer("sockets");
  if (full_cols > held) {
    return operand_error(node, fmt::format("full_cols is {} but the shards of {} have {} columns together",
                                           full_cols, x.name, held));
  }
  return matrix(x.shape.rows(), full_cols);
}

OpCost cost(const Graph&, const Node&) {
  return OpCost{};
}

Tensor reference(const ReferenceContext& context) {
  RDU_CHECK(context.node->integer("sockets") == 1, "{}: sharded graphs are not interpreted",
            context.node->name);
  const Tensor& x = *context.inputs[0];
  Tensor result(x.rows(), context.node->integer("full_cols"));
  for (int64_t r = 0; r < result.rows(); ++r) {
    for (int64_t c = 0; c < result.cols(); ++c) result.at(r, c) = x.at(r, c);
  }
  return rounded(context, std::move(result));
}

Status lower(Lowering& l, const Node& node) {
  const Flow flow = l.flow(node.inputs[0]);
  const Value& part = l.value(node.inputs[0]);
  const Value& result = l.value(node.outputs[0]);
  const Stream own = l.activation(node.inputs[0]);
  const Stream whole = l.exchange(
      node, "gather", own, flow,
      {ExchangeMode::kBroadcast, Combine::kConcatCols, part.shape.cols(), result.shape.cols(), result.dtype});
  l.define(node.outputs[0], whole, flow);
  return {};
}

}  // namespace

const OpRecord kAllGatherRecord = {
    .doc = "x [m,n] on each socket -> [m,full_cols]: column shards side by side, in socket order",
    .attributes = {"full_cols", "sockets"},
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = infer,
    .cost = cost,
    .reference = reference,
    .lower = lower,
};

}  // namespace rdusim::compiler
