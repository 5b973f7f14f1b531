// Operators that work on each element, or each row, of a token alone: one simd unit, a firing a token.
#pragma once

#include <utility>

#include "base/result.h"
#include "compiler/ops/operands.h"
#include "compiler/passes/lowering.h"

namespace rdusim::compiler {

inline Result<Shape> infer_elementwise(const Graph& graph, const Node& node) {
  const Value& x = operand(graph, node, 0);
  return matrix(x.shape.rows(), x.shape.cols());
}

// Of two operands of the same shape.
inline Result<Shape> infer_pairs(const Graph& graph, const Node& node) {
  const Value& a = operand(graph, node, 0);
  RDU_CHECK_OK(expect_same_shape(node, a, operand(graph, node, 1)));
  return matrix(a.shape.rows(), a.shape.cols());
}

// Of two operands: the same shape twice, or the second is a row [1,n] that is repeated.
inline Result<Shape> infer_with_row(const Graph& graph, const Node& node) {
  const Value& a = operand(graph, node, 0);
  const Value& b = operand(graph, node, 1);
  if (b.shape.rows() == 1) {
    RDU_CHECK_OK(expect_cols(node, "row", b, a.shape.cols()));
  } else {
    RDU_CHECK_OK(expect_same_shape(node, a, b));
  }
  return matrix(a.shape.rows(), a.shape.cols());
}

// f(a, b) element by element, in FP32; a second operand of one row is repeated.
template <typename F>
Tensor reference_with_row(const ReferenceContext& context, F f) {
  const Tensor& a = *context.inputs[0];
  const Tensor& b = *context.inputs[1];
  Tensor result(a.rows(), a.cols());
  for (int64_t r = 0; r < a.rows(); ++r) {
    for (int64_t c = 0; c < a.cols(); ++c) result.at(r, c) = f(a.at(r, c), b.at(b.rows() == 1 ? 0 : r, c));
  }
  return rounded(context, std::move(result));
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

// A row that is not computed is kept on chip for all tokens; any other second operand comes token by token.
inline bool is_kept_row(const Value& second) {
  return !second.producer && second.shape.rows() == 1;
}

// The same of two operands. `kept`: the second one is a single token that serves all firings. `body`
// (UnitBuilder&, Register of the first, Register of the second) gives the register of the result.
template <typename Body>
Status lower_elementwise(Lowering& l, const Node& node, bool kept, Body body) {
  const Flow flow = l.flow(node.inputs[0]);
  const Stream a = l.activation(node.inputs[0]);
  const Stream b = kept ? l.whole(node.inputs[1]) : l.activation(node.inputs[1]);
  const Value& result = l.value(node.outputs[0]);
  UnitBuilder u = l.unit(UnitKind::kSimd, node);
  u.fire(flow.tokens());
  const Register ra = u.take(a, kEach);
  const Register rb = u.take(b, kept ? first_of(flow.tokens()) : kEach);
  l.define(node.outputs[0], u.emit(body(u, ra, rb), flow.rows, result.shape.cols(), result.dtype), flow);
  return {};
}

// One operation of two operands; the second may be a kept row.
inline Status lower_binary(Lowering& l, const Node& node, TileOpKind kind) {
  return lower_elementwise(l, node, is_kept_row(l.value(node.inputs[1])),
                           [kind](UnitBuilder& u, Register a, Register b) {
                             return u.op(kind, {a, b});
                           });
}

}  // namespace rdusim::compiler
