// What the operators of a training loss ask of their second operand: the class that each row should have.
#pragma once

#include "base/result.h"
#include "compiler/ops/operands.h"

namespace rdusim::compiler {

// One int32 for each row of the logits, operand 0.
inline Status expect_targets(const Graph& graph, const Node& node) {
  const Value& logits = operand(graph, node, 0);
  const Value& targets = operand(graph, node, 1);
  RDU_CHECK_OK(expect_rows(node, "targets", targets, logits.shape.rows()));
  RDU_CHECK_OK(expect_cols(node, "targets", targets, 1));
  if (targets.dtype != DType::kInt32) return operand_error(node, targets.name + " are not int32");
  return {};
}

// Where logits are cut over sockets, operand i: the number of the first column that is here.
inline Status expect_first_column(const Graph& graph, const Node& node, size_t i) {
  RDU_CHECK_OK(expect_rows(node, "first column", operand(graph, node, i), 1));
  return expect_cols(node, "first column", operand(graph, node, i), 1);
}

}  // namespace rdusim::compiler
