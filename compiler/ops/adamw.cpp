// adamw: one step of the AdamW optimiser on a tensor (Loshchilov and Hutter 2019), FP32:
//
//   m = b1 m + (1 - b1) g      v = b2 v + (1 - b2) g^2
//   w = w - rate (m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + eps) + decay w)
//
// g: the gradient; w, m and v are states: read, updated and left; the result is the new w in the result's
// type. The step t counts from 1.
#include "compiler/ops/op.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "compiler/ops/operands.h"
#include "compiler/passes/lowering.h"

namespace rdusim::compiler {
namespace {

constexpr size_t kGradient = 0, kWeight = 1, kMean = 2, kSquare = 3;

struct Rates {
  double rate, beta1, beta2, eps, decay, mean_unbias, square_unbias;
  explicit Rates(const Node& node)
      : rate(node.real("rate")),
        beta1(node.real("beta1")),
        beta2(node.real("beta2")),
        eps(node.real("eps")),
        decay(node.real("decay")),
        mean_unbias(1 / (1 - std::pow(beta1, static_cast<double>(node.integer("step"))))),
        square_unbias(1 / (1 - std::pow(beta2, static_cast<double>(node.integer("step"))))) {}
};

Result<Shape> infer(const Graph& graph, const Node& node) {
  RDU_CHECK_OK(expect_positive(node, {"step"}));
  const Value& g = operand(graph, node, kGradient);
  for (const size_t i : {kWeight, kMean, kSquare}) {
    const Value& state = operand(graph, node, i);
    RDU_CHECK_OK(expect_same_shape(node, g, state));
    if (state.role != SymbolRole::kState) return operand_error(node, state.name + " is no state");
  }
  const Rates r(node);
  if (r.beta1 < 0 || r.beta1 >= 1 || r.beta2 < 0 || r.beta2 >= 1)
    return operand_error(node, "beta1 and beta2 are from 0 to below 1");
  return matrix(g.shape.rows(), g.shape.cols());
}

OpCost cost(const Graph& graph, const Node& node) {
  return elementwise_cost(graph, node, 14);
}

Tensor reference(const ReferenceContext& context) {
  const Rates r(*context.node);
  const Tensor& g = *context.inputs[kGradient];
  Tensor& w = *context.state[kWeight];
  Tensor& m = *context.state[kMean];
  Tensor& v = *context.state[kSquare];
  const auto f = [](double x) { return static_cast<float>(x); };
  for (size_t i = 0; i < g.values.size(); ++i) {
    m.values[i] = f(r.beta1) * m.values[i] + f(1 - r.beta1) * g.values[i];
    v.values[i] = f(r.beta2) * v.values[i] + f(1 - r.beta2) * (g.values[i] * g.values[i]);
    const float step =
        m.values[i] * f(r.mean_unbias) / (std::sqrt(v.values[i] * f(r.square_unbias)) + f(r.eps));
    w.values[i] -= f(r.rate) * (step + f(r.decay) * w.values[i]);
  }
  Tensor result = w;
  return rounded(context, std::move(result));
}

// Blocks of rows. A gradient of this section comes whole and is cut; one in memory is read block by block.
Status lower(Lowering& l, const Node& node) {
  const Rates rates(node);
  const Value& result = l.value(node.outputs[0]);
  const int64_t n = result.shape.rows();
  const bool here = l.made_here(node.inputs[kGradient]);
  const int64_t rows = std::min(n, l.stream_rows(node.inputs[kWeight]));
  const Flow flow{rows, (n + rows - 1) / rows, 1};
  MemoryStream range;
  range.rows = n;
  range.rows_per_token = rows;
  range.cols = result.shape.cols();
  const Stream gradient =
      here ? l.activation(node.inputs[kGradient]) : l.load(node.inputs[kGradient], range, ".step");
  const Stream weight = l.load(node.inputs[kWeight], range, "");
  const Stream mean = l.load(node.inputs[kMean], range, "");
  const Stream square = l.load(node.inputs[kSquare], range, "");
  UnitBuilder u = l.unit(UnitKind::kSimd, node);
  u.fire(flow.tokens());
  const Register all = u.take(gradient, here ? first_of(flow.tokens()) : kEach);
  const Register w = u.take(weight, kEach);
  const Register m = u.take(mean, kEach);
  const Register v = u.take(square, kEach);
  const Register g = here ? u.op(TileOpKind::kSliceRowsByFiring, {all}, rows, flow.tokens()) : all;
  const auto by = [&](Register x, double factor) { return u.scalar_op(TileOpKind::kMulScalar, x, factor); };
  const auto op = [&](TileOpKind kind, Register a, Register b) { return u.op(kind, {a, b}); };
  const Register m2 = op(TileOpKind::kAdd, by(m, rates.beta1), by(g, 1 - rates.beta1));
  const Register squared = op(TileOpKind::kMul, g, g);
  const Register v2 = op(TileOpKind::kAdd, by(v, rates.beta2), by(squared, 1 - rates.beta2));
  const Register root = u.op(TileOpKind::kSqrt, {by(v2, rates.square_unbias)});
  const Register below = u.scalar_op(TileOpKind::kAddScalar, root, rates.eps);
  const Register step = op(TileOpKind::kDiv, by(m2, rates.mean_unbias), below);
  const Register change = by(op(TileOpKind::kAdd, step, by(w, rates.decay)), rates.rate);
  const Register w2 = op(TileOpKind::kSub, w, change);
  const auto left = [&](size_t state, Register value) {
    l.store(node.inputs[state], u.emit(value, rows, range.cols, DType::kFp32), range, "");
  };
  left(kWeight, w2);
  left(kMean, m2);
  left(kSquare, v2);
  l.define(node.outputs[0], u.emit(w2, rows, range.cols, result.dtype), flow);
  return {};
}

}  // namespace

const OpRecord kAdamWRecord = {
    .doc =
        "gradient [n,k]; weight, mean, square [n,k] (states) -> [n,k]: an AdamW step; leaves the new states",
    .attributes = {"beta1", "beta2", "decay", "eps", "rate", "step"},
    .min_inputs = 4,
    .max_inputs = 4,
    .infer = infer,
    .cost = cost,
    .reference = reference,
    .lower = lower,
};

}  // namespace rdusim::compiler
