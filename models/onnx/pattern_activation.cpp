// GELU, its tanh form, SiLU and the quick GELU written out, and a product with its bias.
//
//   GELU   the product of x, 0.5 and 1 + Erf(x / sqrt 2), in any order
//   tanh   the product of x, 0.5 and 1 + Tanh(sqrt(2/pi) (x + 0.044715 x^3))
//   SiLU   x Sigmoid(x);  quick: x Sigmoid(1.702 x)
#include <algorithm>
#include <cmath>
#include <numbers>

#include "compiler/ops/activation.h"
#include "models/onnx/patterns.h"

namespace rdusim::models::onnx {
namespace {

using compiler::ActivationForm;

Status emit_activation(Importer& importer, const OnnxNode& node, const Match& match) {
  RDU_ASSIGN(const Activation x, importer.activation(node, match.operands[0]));
  return importer.emit(node, compiler::OpKind::kActivation, {x.value}, x.view, {{"form", match.form}});
}

Match activation_match(const std::string& x, ActivationForm form) {
  Match match;
  match.operands = {x};
  match.form = static_cast<int64_t>(form);
  match.emit = emit_activation;
  return match;
}

// x of x * number or x / (1 / number).
std::optional<std::string> scaled(const NodeIndex& index, const std::string& name, double number) {
  if (const OnnxNode* product = index.producer(name, "Mul"); product != nullptr) {
    for (const size_t i : {size_t{0}, size_t{1}})
      if (index.is_number(product->inputs[1 - i], number)) return product->inputs[i];
  }
  const OnnxNode* quotient = index.producer(name, "Div");
  if (quotient != nullptr && index.is_number(quotient->inputs[1], 1 / number)) return quotient->inputs[0];
  return std::nullopt;
}

// x of x + 0.044715 x^3.
std::optional<std::string> cubic(const NodeIndex& index, const std::string& name) {
  const OnnxNode* sum = index.producer(name, "Add");
  if (sum == nullptr) return std::nullopt;
  for (const size_t i : {size_t{0}, size_t{1}}) {
    const std::string& x = sum->inputs[i];
    const auto cube = scaled(index, sum->inputs[1 - i], 0.044715);
    if (!cube) continue;
    const OnnxNode* power = index.producer(*cube, "Pow");
    if (power != nullptr && index.is_number(power->inputs[1], 3) && index.same(power->inputs[0], x)) return x;
    const std::vector<std::string> all = index.factors(*cube, 2);
    const auto is_x = [&](const std::string& factor) { return factor == index.origin(x); };
    if (all.size() == 3 && std::all_of(all.begin(), all.end(), is_x)) return x;
  }
  return std::nullopt;
}

struct Gate {
  std::string x;
  ActivationForm form;
};
// 1 + Erf(..) or 1 + Tanh(..).
std::optional<Gate> gelu_gate(const NodeIndex& index, const std::string& name) {
  const OnnxNode* sum = index.producer(name, "Add");
  if (sum == nullptr) return std::nullopt;
  for (const size_t i : {size_t{0}, size_t{1}}) {
    if (!index.is_number(sum->inputs[1 - i], 1)) continue;
    if (const OnnxNode* erf = index.producer(sum->inputs[i], "Erf")) {
      if (const auto x = scaled(index, erf->inputs[0], 1 / std::numbers::sqrt2))
        return Gate{*x, ActivationForm::kGelu};
    }
    if (const OnnxNode* tanh = index.producer(sum->inputs[i], "Tanh")) {
      const auto inner = scaled(index, tanh->inputs[0], std::sqrt(2 / std::numbers::pi));
      const auto x = inner ? cubic(index, *inner) : std::nullopt;
      if (x) return Gate{*x, ActivationForm::kGeluTanh};
    }
  }
  return std::nullopt;
}

Status emit_linear(Importer& importer, const OnnxNode& node, const Match& match) {
  RDU_ASSIGN(const Activation x, importer.whole_rows(node, match.operands[0]));
  return importer.linear(node, x, match.operands[1], true, match.operands[2]);
}

}  // namespace

std::optional<Match> match_gelu(const NodeIndex& index, const OnnxNode& node) {
  if (node.op_type != "Mul") return std::nullopt;
  const std::vector<std::string> factors = index.factors(node.outputs[0], 2);
  if (factors.size() != 3) return std::nullopt;
  for (const std::string& factor : factors) {
    const std::optional<Gate> gate = gelu_gate(index, factor);
    if (!gate) continue;
    const auto count = [&](auto is) { return std::count_if(factors.begin(), factors.end(), is); };
    const bool half = count([&](const std::string& f) { return index.is_number(f, 0.5); }) == 1;
    const bool x = count([&](const std::string& f) { return index.same(f, gate->x); }) == 1;
    if (half && x) return activation_match(gate->x, gate->form);
  }
  return std::nullopt;
}

std::optional<Match> match_silu(const NodeIndex& index, const OnnxNode& node) {
  if (node.op_type != "Mul" || node.inputs.size() != 2) return std::nullopt;
  for (const size_t i : {size_t{0}, size_t{1}}) {
    const OnnxNode* sigmoid = index.producer(node.inputs[1 - i], "Sigmoid");
    if (sigmoid == nullptr) continue;
    const std::string& z = sigmoid->inputs[0];
    if (index.same(z, node.inputs[i])) return activation_match(node.inputs[i], ActivationForm::kSilu);
    const auto quick = scaled(index, z, 1.702);
    if (quick && index.same(*quick, node.inputs[i]))
      return activation_match(node.inputs[i], ActivationForm::kGeluQuick);
  }
  return std::nullopt;
}

std::optional<Match> match_linear_with_bias(const NodeIndex& index, const OnnxNode& node) {
  if (node.op_type != "Add" || node.inputs.size() != 2) return std::nullopt;
  for (const size_t i : {size_t{0}, size_t{1}}) {
    const OnnxNode* product = index.producer(node.inputs[i], "MatMul");
    const OnnxTensor* bias = index.constant(node.inputs[1 - i]);
    if (product == nullptr || bias == nullptr) continue;
    const OnnxTensor* weight = index.constant(product->inputs[1]);
    if (weight == nullptr || weight->shape.dims.size() != 2 || bias->shape.dims.size() != 1) continue;
    if (bias->shape.dims[0] != weight->shape.dims[1]) continue;
    Match match;
    match.operands = {product->inputs[0], product->inputs[1], node.inputs[1 - i]};
    match.emit = emit_linear;
    return match;
  }
  return std::nullopt;
}

}  // namespace rdusim::models::onnx
