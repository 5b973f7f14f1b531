// Lowering of an operator that does the same to each element of its one operand: one simd unit, a firing a
// token.
#pragma once

#include "base/result.h"
#include "compiler/ops/operands.h"
#include "compiler/passes/lowering.h"

namespace rdusim::compiler {

inline Result<Shape> infer_elementwise(const Graph& graph, const Node& node) {
  const Value& x = operand(graph, node, 0);
  return matrix(x.shape.rows(), x.shape.cols());
}

// `body` (UnitBuilder&, Register of the token) gives the register of the result.
template <typename Body>
Status lower_elementwise(Lowering& l, const Node& node, Body body) {
  const Flow flow = l.flow(node.inputs[0]);
  const Stream x = l.activation(node.inputs[0]);
  const Value& result = l.value(node.outputs[0]);
  UnitBuilder u = l.unit(UnitKind::kSimd, node);
  u.fire(flow.tokens());
  const Register in = u.take(x, kEach);
  l.define(node.outputs[0], u.emit(body(u, in), flow.rows, result.shape.cols(), result.dtype), flow);
  return {};
}

}  // namespace rdusim::compiler
