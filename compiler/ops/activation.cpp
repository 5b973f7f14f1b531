// activation: an elementwise nonlinearity, in FP32, one rounding at the end. The forms are in activation.h;
// sources: Hendrycks and Gimpel (GELU and its tanh form), CLIP (quick form), Mamba (softplus).
#include "compiler/ops/activation.h"

#include <algorithm>
#include <cmath>

#include "compiler/ops/elementwise.h"
#include "compiler/ops/op.h"
#include "compiler/ops/operands.h"
#include "compiler/passes/lowering.h"

namespace rdusim::compiler {
namespace {

constexpr double kSqrtHalf = 0.70710678118654752440;       // 1 / sqrt(2)
constexpr double kSqrtTwoOverPi = 0.79788456080286535588;  // sqrt(2 / pi)
constexpr double kCubic = 0.044715;
constexpr double kQuick = 1.702;

// 0.5 z (1 + g)
Register half_gated(UnitBuilder& u, Register z, Register g) {
  return u.op(TileOpKind::kMul,
              {u.scalar_op(TileOpKind::kMulScalar, z, 0.5), u.scalar_op(TileOpKind::kAddScalar, g, 1.0)});
}

}  // namespace

float activate(ActivationForm form, float z) {
  switch (form) {
    case ActivationForm::kGelu:
      return 0.5F * z * (1.0F + std::erf(z * static_cast<float>(kSqrtHalf)));
    case ActivationForm::kGeluTanh: {
      const float inner = z + static_cast<float>(kCubic) * z * z * z;
      return 0.5F * z * (1.0F + std::tanh(static_cast<float>(kSqrtTwoOverPi) * inner));
    }
    case ActivationForm::kGeluQuick:
      return z / (1.0F + std::exp(-static_cast<float>(kQuick) * z));
    case ActivationForm::kSilu:
      return z / (1.0F + std::exp(-z));
    case ActivationForm::kSoftplus:
      return z > 20.0F ? z : std::log1p(std::exp(z));  // the difference is below FP32's resolution there
    case ActivationForm::kRelu:
      return std::max(z, 0.0F);
    case ActivationForm::kTanh:
      return std::tanh(z);
    case ActivationForm::kSigmoid:
      return 1.0F / (1.0F + std::exp(-z));
  }
  return z;
}

Register lower_activation(UnitBuilder& u, ActivationForm form, Register z) {
  const auto times = [&u](Register r, double by) { return u.scalar_op(TileOpKind::kMulScalar, r, by); };
  switch (form) {
    case ActivationForm::kGelu:
      return half_gated(u, z, u.op(TileOpKind::kErf, {times(z, kSqrtHalf)}));
    case ActivationForm::kGeluTanh: {
      const Register cube = u.op(TileOpKind::kMul, {u.op(TileOpKind::kMul, {z, z}), times(z, kCubic)});
      const Register inner = times(u.op(TileOpKind::kAdd, {z, cube}), kSqrtTwoOverPi);
      return half_gated(u, z, u.op(TileOpKind::kTanh, {inner}));
    }
    case ActivationForm::kGeluQuick:
      return u.op(TileOpKind::kMul, {z, u.op(TileOpKind::kSigmoid, {times(z, kQuick)})});
    case ActivationForm::kSilu:
      return u.op(TileOpKind::kMul, {z, u.op(TileOpKind::kSigmoid, {z})});
    case ActivationForm::kSoftplus: {
      // max(z, 0) + log(1 + e^-|z|), which cannot overflow.
      const Register e = u.op(TileOpKind::kExp, {u.op(TileOpKind::kNeg, {u.op(TileOpKind::kAbs, {z})})});
      const Register log = u.op(TileOpKind::kLog, {u.scalar_op(TileOpKind::kAddScalar, e, 1.0)});
      return u.op(TileOpKind::kAdd, {u.scalar_op(TileOpKind::kMaxScalar, z, 0.0), log});
    }
    case ActivationForm::kRelu:
      return u.scalar_op(TileOpKind::kMaxScalar, z, 0.0);
    case ActivationForm::kTanh:
      return u.op(TileOpKind::kTanh, {z});
    case ActivationForm::kSigmoid:
      return u.op(TileOpKind::kSigmoid, {z});
  }
  return z;
}

namespace {

ActivationForm form_of(const Node& node) {
  return static_cast<ActivationForm>(node.integer("form"));
}

Result<Shape> infer(const Graph& graph, const Node& node) {
  RDU_CHECK_OK(expect_at_least(node, "form", 0));
  if (node.integer("form") >= kActivationForms) return operand_error(node, "attribute form is no known form");
  const Value& x = operand(graph, node, 0);
  return matrix(x.shape.rows(), x.shape.cols());
}

OpCost cost(const Graph& graph, const Node& node) {
  return elementwise_cost(graph, node, 4);
}

Tensor reference(const ReferenceContext& context) {
  Tensor result = *context.inputs[0];
  const ActivationForm form = form_of(*context.node);
  for (float& v : result.values) v = activate(form, v);
  return rounded(context, std::move(result));
}

Status lower(Lowering& l, const Node& node) {
  const ActivationForm form = form_of(node);
  return lower_elementwise(l, node,
                           [form](UnitBuilder& u, Register x) { return lower_activation(u, form, x); });
}

}  // namespace

const OpRecord kActivationRecord = {
    .doc =
        "x [m,n] -> [m,n]: gelu (form 0), its tanh form (1), z sigmoid(1.702 z) (2), silu (3), softplus (4), "
        "relu (5), tanh (6), sigmoid (7)",
    .attributes = {"form"},
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = infer,
    .cost = cost,
    .reference = reference,
    .lower = lower,
    .cut_operands = "c",
    .row_wise = true,
};

}  // namespace rdusim::compiler
