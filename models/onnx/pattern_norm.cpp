// Norms written out: RMSNorm and LayerNorm, with or without gain and bias.
//
//   mean square = ReduceMean(Pow(x, 2) or Mul(x, x)),  root = Sqrt(mean square + eps)
//   normed      = Div(x, root), Mul(x, Reciprocal(root)), Mul(x, Div(1, root)), Mul(x, Pow(.. + eps, -0.5))
//   RMSNorm     = normed [Mul gain];  LayerNorm: x is Sub(y, ReduceMean(y)); [Mul gain] [Add bias]
#include "compiler/graph/graph.h"
#include "models/onnx/patterns.h"

namespace rdusim::models::onnx {
namespace {

using compiler::OpKind;

struct Norm {
  std::string x;
  double eps = 0;
  int64_t axis = -1;
  bool centred = false;
};

// What a ReduceMean over one axis, kept, is taken of.
struct Mean {
  std::string of;
  int64_t axis = -1;
};
std::optional<Mean> mean(const NodeIndex& index, const std::string& name) {
  const OnnxNode* node = index.producer(name, "ReduceMean");
  if (node == nullptr || node->integer("keepdims", 1) != 1) return std::nullopt;
  Mean result{node->inputs[0], -1};
  if (const OnnxAttribute* axes = node->find("axes")) {
    if (axes->integers.size() != 1) return std::nullopt;
    result.axis = axes->integers.front();
  } else if (node->inputs.size() == 2) {
    const std::optional<double> axis = index.number(node->inputs[1]);
    if (!axis) return std::nullopt;
    result.axis = static_cast<int64_t>(*axis);
  } else {
    return std::nullopt;
  }
  return result;
}

std::optional<std::string> square(const NodeIndex& index, const std::string& name) {
  const OnnxNode* power = index.producer(name, "Pow");
  if (power != nullptr && index.is_number(power->inputs[1], 2)) return power->inputs[0];
  const OnnxNode* product = index.producer(name, "Mul");
  if (product != nullptr && index.same(product->inputs[0], product->inputs[1])) return product->inputs[0];
  return std::nullopt;
}

// mean square + eps
std::optional<Norm> shifted_mean_square(const NodeIndex& index, const std::string& name) {
  const OnnxNode* sum = index.producer(name, "Add");
  if (sum == nullptr) return std::nullopt;
  for (const size_t i : {size_t{0}, size_t{1}}) {
    const std::optional<double> eps = index.number(sum->inputs[1 - i]);
    const std::optional<Mean> of = mean(index, sum->inputs[i]);
    if (!eps || !of) continue;
    if (const auto x = square(index, of->of)) return Norm{*x, *eps, of->axis};
  }
  return std::nullopt;
}

std::optional<Norm> root(const NodeIndex& index, const std::string& name) {
  const OnnxNode* node = index.producer(name, "Sqrt");
  if (node != nullptr) return shifted_mean_square(index, node->inputs[0]);
  node = index.producer(name, "Pow");
  if (node == nullptr || !index.is_number(node->inputs[1], 0.5)) return std::nullopt;
  return shifted_mean_square(index, node->inputs[0]);
}

std::optional<Norm> inverse_root(const NodeIndex& index, const std::string& name) {
  if (const OnnxNode* node = index.producer(name, "Reciprocal")) return root(index, node->inputs[0]);
  const OnnxNode* quotient = index.producer(name, "Div");
  if (quotient != nullptr && index.is_number(quotient->inputs[0], 1)) return root(index, quotient->inputs[1]);
  const OnnxNode* power = index.producer(name, "Pow");
  if (power == nullptr || !index.is_number(power->inputs[1], -0.5)) return std::nullopt;
  return shifted_mean_square(index, power->inputs[0]);
}

// y of x = Sub(y, ReduceMean(y)).
std::optional<Mean> centre(const NodeIndex& index, const std::string& name) {
  const OnnxNode* difference = index.producer(name, "Sub");
  if (difference == nullptr) return std::nullopt;
  const std::optional<Mean> of = mean(index, difference->inputs[1]);
  if (!of || !index.same(of->of, difference->inputs[0])) return std::nullopt;
  return of;
}

// Two nodes that compute the same difference count as one: exporters repeat it.
bool same_value(const NodeIndex& index, const std::string& a, const std::string& b) {
  if (index.same(a, b)) return true;
  const std::optional<Mean> ca = centre(index, a);
  const std::optional<Mean> cb = centre(index, b);
  return ca && cb && index.same(ca->of, cb->of);
}

std::optional<Norm> normed(const NodeIndex& index, const OnnxNode& node) {
  if (node.inputs.size() != 2) return std::nullopt;
  std::optional<Norm> norm;
  if (node.op_type == "Div") {
    norm = root(index, node.inputs[1]);
    if (norm && !same_value(index, norm->x, node.inputs[0])) norm.reset();
  }
  for (const size_t i : {size_t{0}, size_t{1}}) {
    if (node.op_type != "Mul" || norm) break;
    norm = inverse_root(index, node.inputs[1 - i]);
    if (norm && !same_value(index, norm->x, node.inputs[i])) norm.reset();
  }
  if (!norm) return std::nullopt;
  if (const std::optional<Mean> of = centre(index, norm->x)) {
    norm->x = of->of;
    norm->centred = true;
  }
  return norm;
}

Status emit_norm(Importer& importer, const OnnxNode& node, const Match& match) {
  RDU_ASSIGN(const Activation x, importer.whole_rows(node, match.operands[0]));
  const auto rank = static_cast<int64_t>(x.view.rank());
  if (match.axis != -1 && match.axis != rank - 1)
    return importer.error(node, "a norm over another axis than the last one");
  std::vector<ValueId> inputs = {x.value};
  const int64_t cols = importer.value(x.value).shape.cols();
  for (size_t i = 1; i < match.operands.size(); ++i) {
    RDU_ASSIGN(const ValueId id, importer.row_operand(node, match.operands[i], cols, i == 1 ? 1.0F : 0.0F));
    inputs.push_back(id);
  }
  const bool centred = match.form == 1;
  return importer.emit(node, centred ? OpKind::kLayerNorm : OpKind::kRmsNorm, std::move(inputs), x.view,
                       {{"eps", match.number}});
}

Match found(const Norm& norm, const std::string& gain, const std::string& bias) {
  Match match;
  match.operands = {norm.x, gain};
  if (!bias.empty()) match.operands.push_back(bias);
  match.number = norm.eps;
  match.axis = norm.axis;
  match.form = norm.centred ? 1 : 0;
  match.emit = emit_norm;
  return match;
}

// A Mul with a constant and a normed value.
std::optional<Match> with_gain(const NodeIndex& index, const OnnxNode& node, const std::string& bias) {
  if (node.op_type != "Mul" || node.inputs.size() != 2) return std::nullopt;
  for (const size_t i : {size_t{0}, size_t{1}}) {
    if (index.constant(node.inputs[1 - i]) == nullptr) continue;
    const OnnxNode* inner = index.producer(index.origin(node.inputs[i]));
    if (inner == nullptr) continue;
    if (const std::optional<Norm> norm = normed(index, *inner)) return found(*norm, node.inputs[1 - i], bias);
  }
  return std::nullopt;
}

}  // namespace

std::optional<Match> match_norm(const NodeIndex& index, const OnnxNode& node) {
  if (node.op_type == "Add" && node.inputs.size() == 2) {
    for (const size_t i : {size_t{0}, size_t{1}}) {
      const OnnxNode* scaled = index.producer(node.inputs[i], "Mul");
      if (scaled == nullptr || index.constant(node.inputs[1 - i]) == nullptr) continue;
      const std::optional<Match> match = with_gain(index, *scaled, node.inputs[1 - i]);
      if (match && match->form == 1) return match;
    }
  }
  if (std::optional<Match> match = with_gain(index, node, "")) return match;
  if (const std::optional<Norm> norm = normed(index, node)) return found(*norm, "", "");
  return std::nullopt;
}

}  // namespace rdusim::models::onnx
