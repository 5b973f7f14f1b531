// swiglu_back: the gradients of a SwiGLU's operands, of the gate in the left half and of the other in the
// right:
//
//   s = sigmoid(gate):  d gate = dy up s (1 + gate (1 - s)),  d up = dy gate s
#include "compiler/ops/op.h"

#include <cmath>

#include "compiler/ops/operands.h"
#include "compiler/passes/lowering.h"

namespace rdusim::compiler {
namespace {

Result<Shape> infer(const Graph& graph, const Node& node) {
  const Value& gate = operand(graph, node, 0);
  RDU_CHECK_OK(expect_same_shape(node, gate, operand(graph, node, 1)));
  RDU_CHECK_OK(expect_same_shape(node, gate, operand(graph, node, 2)));
  return matrix(gate.shape.rows(), 2 * gate.shape.cols());
}

OpCost cost(const Graph& graph, const Node& node) {
  return elementwise_cost(graph, node, 12);
}

Tensor reference(const ReferenceContext& context) {
  const Tensor& gate = *context.inputs[0];
  const Tensor& up = *context.inputs[1];
  const Tensor& dy = *context.inputs[2];
  const int64_t f = gate.cols();
  Tensor result(gate.rows(), 2 * f);
  for (int64_t r = 0; r < gate.rows(); ++r) {
    for (int64_t c = 0; c < f; ++c) {
      const float z = gate.at(r, c);
      const float s = 1.0F / (1.0F + std::exp(-z));
      result.at(r, c) = dy.at(r, c) * up.at(r, c) * s * (1.0F + z * (1.0F - s));
      result.at(r, f + c) = dy.at(r, c) * z * s;
    }
  }
  return rounded(context, std::move(result));
}

Status lower(Lowering& l, const Node& node) {
  const Flow flow = l.flow(node.inputs[0]);
  const Stream gate = l.activation(node.inputs[0]);
  const Stream up = l.activation(node.inputs[1]);
  const Stream dy = l.activation(node.inputs[2]);
  UnitBuilder u = l.unit(UnitKind::kSimd, node);
  u.fire(flow.tokens());
  const Register z = u.take(gate, kEach);
  const Register ru = u.take(up, kEach);
  const Register rd = u.take(dy, kEach);
  const auto mul = [&](Register a, Register b) { return u.op(TileOpKind::kMul, {a, b}); };
  const Register s = u.op(TileOpKind::kSigmoid, {z});
  const Register rest = u.scalar_op(TileOpKind::kAddScalar, u.op(TileOpKind::kNeg, {s}), 1.0);
  const Register slope = mul(s, u.scalar_op(TileOpKind::kAddScalar, mul(z, rest), 1.0));
  const Register both = u.op(TileOpKind::kConcatCols, {mul(mul(rd, ru), slope), mul(rd, mul(z, s))});
  const Value& result = l.value(node.outputs[0]);
  l.define(node.outputs[0], u.emit(both, flow.rows, result.shape.cols(), result.dtype), flow);
  return {};
}

}  // namespace

const OpRecord kSwiGluBackRecord = {
    .doc = "gate, up, dy [m,f] -> [m,2f]: the gradients of a swiglu's gate and of its other operand",
    .attributes = {},
    .min_inputs = 3,
    .max_inputs = 3,
    .infer = infer,
    .cost = cost,
    .reference = reference,
    .lower = lower,
};

}  // namespace rdusim::compiler
