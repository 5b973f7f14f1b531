// embedding: one row of the table per token. Row numbers are checked where they enter
// (graph/interpreter.cpp).
#include "compiler/ops/op.h"

#include <fmt/format.h>

#include "base/check.h"
#include "compiler/ops/operands.h"
#include "compiler/passes/lowering.h"

namespace rdusim::compiler {
namespace {

Result<Shape> infer(const Graph& graph, const Node& node) {
  const Value& ids = operand(graph, node, 0);
  const Value& table = operand(graph, node, 1);
  RDU_CHECK_OK(expect_cols(node, "ids", ids, 1));
  if (ids.dtype != DType::kInt32) {
    return operand_error(node,
                         fmt::format("ids {} are {} but must be int32", ids.name, dtype_name(ids.dtype)));
  }
  return matrix(ids.shape.rows(), table.shape.cols());
}

// Only the rows looked up are read.
OpCost cost(const Graph& graph, const Node& node) {
  const Value& table = operand(graph, node, 1);
  return OpCost{0, operand(graph, node, 0).shape.rows() * table.shape.cols() * dtype_bytes(table.dtype)};
}

Tensor reference(const ReferenceContext& context) {
  const Tensor& ids = *context.inputs[0];
  const Tensor& table = *context.inputs[1];
  Tensor result(ids.rows(), table.cols());
  for (int64_t r = 0; r < ids.rows(); ++r) {
    const auto row = static_cast<int64_t>(ids.at(r, 0));
    RDU_CHECK(row >= 0 && row < table.rows(), "{}: row {} of {}", context.node->name, row, table.rows());
    for (int64_t c = 0; c < table.cols(); ++c) result.at(r, c) = table.at(row, c);
  }
  return rounded(context, std::move(result));
}

// An AGCU gathers the table's rows.
Status lower(Lowering& l, const Node& node) {
  const Flow flow = l.flow(node.inputs[0]);
  const Stream ids = l.activation(node.inputs[0]);
  l.define(node.outputs[0], l.gather(node, "", node.inputs[1], ids, flow), flow);
  return {};
}

}  // namespace

const OpRecord kEmbeddingRecord = {
    .doc = "ids [m,1], table [V,h] -> [m,h]: row r is row ids[r] of the table",
    .attributes = {},
    .min_inputs = 2,
    .max_inputs = 2,
    .infer = infer,
    .cost = cost,
    .reference = reference,
    .lower = lower,
};

}  // namespace rdusim::compiler
