// Elementwise operators and norms that ONNX has by name. An operand that is a constant becomes a number, a
// row, or a table by token; on scores of an attention only a scale and a causal mask are known.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "compiler/graph/graph.h"
#include "compiler/ops/activation.h"
#include "models/onnx/importer.h"

namespace rdusim::models::onnx {
namespace {

using compiler::ActivationForm;
using compiler::OpKind;

constexpr int64_t kMostColumns = int64_t{1} << 28;
constexpr float kMasked = -1e4F;  // a score this low or lower counts as hidden: exp of it is zero in FP32

bool is_constant(const Importer& importer, const std::string& name) {
  return std::holds_alternative<Constant>(*importer.item(name));
}

Status activation(Importer& importer, const OnnxNode& node, ActivationForm form) {
  RDU_ASSIGN(const std::string name, importer.required(node, 0));
  RDU_ASSIGN(const Activation x, importer.activation(node, name));
  return importer.emit(node, OpKind::kActivation, {x.value}, x.view, {{"form", static_cast<int64_t>(form)}});
}

Status both(Importer& importer, const OnnxNode& node, OpKind op, const Activation& a, const Activation& b) {
  const Shape& shape = importer.value(a.value).shape;
  const bool alike = a.view.dims() == b.view.dims() && a.view.same_order(b.view) &&
                     shape.cols() == importer.value(b.value).shape.cols();
  if (alike) return importer.emit(node, op, {a.value, b.value}, a.view);
  return importer.error(node, "two activations of other shapes, or whose elements lie in other orders",
                        "only constants are repeated");
}

Status times_number(Importer& importer, const OnnxNode& node, const Activation& x, double number) {
  return importer.emit(node, OpKind::kScale, {x.value}, x.view, {{"scale", number}});
}

// x + values, x * values, with values that are [1, 1], a row or a table.
Status with_table(Importer& importer, const OnnxNode& node, OpKind op, const Activation& x, Tensor values) {
  const Shape shape = importer.value(x.value).shape;
  if (values.values.size() == 1 && op == OpKind::kMul)
    return times_number(importer, node, x, static_cast<double>(values.values.front()));
  if (values.values.size() == 1 && shape.cols() > 1) {
    if (shape.cols() > kMostColumns) return importer.error(node, "a row this long");
    Tensor row(1, shape.cols());
    std::fill(row.values.begin(), row.values.end(), values.values.front());
    values = std::move(row);
  }
  const bool by_token = values.rows() > 1;
  const ValueId table = importer.table(node.outputs.front() + ".constant", std::move(values));
  if (!by_token || op == OpKind::kMul) return importer.emit(node, op, {x.value, table}, x.view);
  return importer.emit(node, OpKind::kPositionAdd, {x.value, table}, x.view,
                       {{"past_tokens", int64_t{0}}, {"query_tokens", importer.tokens()}});
}

// A factor of the scores.
Status scale_scores(Importer& importer, const OnnxNode& node, Scores scores, const std::string& name,
                    bool divide) {
  RDU_ASSIGN(const Tensor number, importer.values(node, name));
  if (number.values.size() != 1 || scores.probabilities || scores.causal)
    return importer.error(node, "scores of an attention are scaled by one number, before mask and softmax");
  const auto factor = static_cast<double>(number.values.front());
  scores.scale *= divide ? 1 / factor : factor;
  importer.set(node.outputs.front(), scores);
  return {};
}

// Whether `hidden` [.., tokens or 1, positions] hides nothing or what is later than the query; else an error.
Status mask_scores(Importer& importer, const OnnxNode& node, Scores scores, const Tensor& mask,
                   const std::vector<bool>& hidden) {
  const int64_t tokens = importer.tokens();
  const int64_t rows = mask.shape.rows();
  const int64_t positions = scores.keys.view.dims().back();  // cached ones first
  const bool fits = mask.cols() == positions || mask.shape.elements() == 1;
  bool causal = fits && rows % tokens == 0;
  bool open = fits;
  for (size_t i = 0; i < hidden.size() && fits; ++i) {
    const int64_t query = static_cast<int64_t>(i) / mask.cols() % tokens;
    const bool later = static_cast<int64_t>(i) % mask.cols() > query + positions - tokens;
    causal = causal && hidden[i] == later;
    open = open && !hidden[i];
  }
  if ((!causal && !open) || scores.probabilities)
    return importer.error(
        node, "a mask of an attention that is not the causal one",
        "supported: no mask, or 0 up to the query's own position and below -10000 after it");
  scores.causal = scores.causal || (causal && !open);
  importer.set(node.outputs.front(), scores);
  return {};
}

Status add_to_scores(Importer& importer, const OnnxNode& node, const Scores& scores,
                     const std::string& name) {
  RDU_ASSIGN(const Tensor mask, importer.values(node, name));
  std::vector<bool> hidden;
  for (const float value : mask.values) {
    if (value != 0 && !(value <= kMasked))
      return importer.error(node, fmt::format("{} is added to the scores of an attention", value),
                            "biases of attention are not imported, a causal mask is");
    hidden.push_back(value != 0);
  }
  return mask_scores(importer, node, scores, mask, hidden);
}

// The operands of a sum or product: the one that is no constant first.
struct Operands {
  std::string first;
  std::string second;
  bool swapped = false;
};
Result<Operands> ordered(const Importer& importer, const OnnxNode& node) {
  RDU_ASSIGN(const std::string a, importer.required(node, 0));
  RDU_ASSIGN(const std::string b, importer.required(node, 1));
  if (is_constant(importer, a)) return Operands{b, a, true};
  return Operands{a, b, false};
}

Result<Tensor> negated_or_inverted(const Importer& importer, const OnnxNode& node, const std::string& name,
                                   const Activation& over, bool invert) {
  RDU_ASSIGN(Tensor values, importer.laid_out(node, name, over));
  for (float& value : values.values) value = invert ? 1.0F / value : -value;
  return values;
}

}  // namespace

Status import_add(Importer& importer, const OnnxNode& node) {
  RDU_ASSIGN(const Operands of, ordered(importer, node));
  const bool constant = is_constant(importer, of.second);
  if (const auto* scores = std::get_if<Scores>(importer.item(of.first)); scores != nullptr && constant)
    return add_to_scores(importer, node, *scores, of.second);
  RDU_ASSIGN(const Activation a, importer.activation(node, of.first));
  if (constant) {
    RDU_ASSIGN(Tensor values, importer.laid_out(node, of.second, a));
    return with_table(importer, node, OpKind::kAdd, a, std::move(values));
  }
  RDU_ASSIGN(const Activation b, importer.activation(node, of.second));
  return both(importer, node, OpKind::kAdd, a, b);
}

Status import_sub(Importer& importer, const OnnxNode& node) {
  RDU_ASSIGN(const Operands of, ordered(importer, node));
  RDU_ASSIGN(Activation a, importer.activation(node, of.first));
  if (is_constant(importer, of.second)) {
    if (of.swapped) {
      RDU_ASSIGN(a.value, importer.add(node, OpKind::kScale, {a.value}, {{"scale", -1.0}}, 0, ".negative"));
      RDU_ASSIGN(Tensor values, importer.laid_out(node, of.second, a));
      return with_table(importer, node, OpKind::kAdd, a, std::move(values));
    }
    RDU_ASSIGN(Tensor values, negated_or_inverted(importer, node, of.second, a, false));
    return with_table(importer, node, OpKind::kAdd, a, std::move(values));
  }
  RDU_ASSIGN(const Activation b, importer.activation(node, of.second));
  return both(importer, node, OpKind::kSub, a, b);
}

Status import_mul(Importer& importer, const OnnxNode& node) {
  RDU_ASSIGN(const Operands of, ordered(importer, node));
  const bool constant = is_constant(importer, of.second);
  if (const auto* scores = std::get_if<Scores>(importer.item(of.first)); scores != nullptr && constant)
    return scale_scores(importer, node, *scores, of.second, false);
  RDU_ASSIGN(const Activation a, importer.activation(node, of.first));
  if (constant) {
    RDU_ASSIGN(Tensor values, importer.laid_out(node, of.second, a));
    return with_table(importer, node, OpKind::kMul, a, std::move(values));
  }
  RDU_ASSIGN(const Activation b, importer.activation(node, of.second));
  return both(importer, node, OpKind::kMul, a, b);
}

Status import_div(Importer& importer, const OnnxNode& node) {
  RDU_ASSIGN(const Operands of, ordered(importer, node));
  const bool constant = is_constant(importer, of.second);
  if (of.swapped && constant) return importer.error(node, "a constant divided by an activation");
  if (const auto* scores = std::get_if<Scores>(importer.item(of.first)); scores != nullptr && constant)
    return scale_scores(importer, node, *scores, of.second, true);
  RDU_ASSIGN(const Activation a, importer.activation(node, of.first));
  if (constant) {
    RDU_ASSIGN(Tensor values, negated_or_inverted(importer, node, of.second, a, true));
    return with_table(importer, node, OpKind::kMul, a, std::move(values));
  }
  RDU_ASSIGN(const Activation b, importer.activation(node, of.second));
  return both(importer, node, OpKind::kDiv, a, b);
}

Status import_pow(Importer& importer, const OnnxNode& node) {
  RDU_ASSIGN(const std::string name, importer.required(node, 0));
  RDU_ASSIGN(const std::string power, importer.required(node, 1));
  RDU_ASSIGN(const Activation x, importer.activation(node, name));
  RDU_ASSIGN(const Tensor exponent, importer.values(node, power));
  if (exponent.values.size() == 1 && exponent.values.front() == 2)
    return importer.emit(node, OpKind::kMul, {x.value, x.value}, x.view);
  return importer.error(node, "a power other than 2 outside a norm or an activation");
}

Status import_neg(Importer& importer, const OnnxNode& node) {
  RDU_ASSIGN(const std::string name, importer.required(node, 0));
  RDU_ASSIGN(const Activation x, importer.activation(node, name));
  return times_number(importer, node, x, -1);
}

// Scores of an attention where a condition holds, and something very low elsewhere, or the other way round.
Status import_where(Importer& importer, const OnnxNode& node) {
  for (size_t i = 0; i < 3; ++i) RDU_CHECK_OK(importer.required(node, i));
  for (const bool kept : {true, false}) {
    const auto* scores = std::get_if<Scores>(importer.item(node.inputs[kept ? 1 : 2]));
    if (scores == nullptr) continue;
    RDU_ASSIGN(const Tensor condition, importer.values(node, node.inputs[0]));
    RDU_ASSIGN(const Tensor low, importer.values(node, node.inputs[kept ? 2 : 1]));
    if (!std::all_of(low.values.begin(), low.values.end(), [](float v) { return v <= kMasked; })) break;
    std::vector<bool> hidden;
    for (const float value : condition.values) hidden.push_back((value != 0) != kept);
    return mask_scores(importer, node, *scores, condition, hidden);
  }
  return importer.error(node, "a choice that is no mask of an attention");
}

Status import_relu(Importer& importer, const OnnxNode& node) {
  return activation(importer, node, ActivationForm::kRelu);
}
Status import_tanh(Importer& importer, const OnnxNode& node) {
  return activation(importer, node, ActivationForm::kTanh);
}
Status import_sigmoid(Importer& importer, const OnnxNode& node) {
  return activation(importer, node, ActivationForm::kSigmoid);
}
Status import_softplus(Importer& importer, const OnnxNode& node) {
  return activation(importer, node, ActivationForm::kSoftplus);
}
Status import_gelu(Importer& importer, const OnnxNode& node) {
  const OnnxAttribute* approximate = node.find("approximate");
  const bool tanh = approximate != nullptr && approximate->text == "tanh";
  return activation(importer, node, tanh ? ActivationForm::kGeluTanh : ActivationForm::kGelu);
}

namespace {

Status norm(Importer& importer, const OnnxNode& node, OpKind op, float epsilon) {
  RDU_ASSIGN(const std::string name, importer.required(node, 0));
  RDU_ASSIGN(const Activation x, importer.whole_rows(node, name));
  const int64_t axis = node.integer("axis", -1);
  if (axis != -1 && axis != static_cast<int64_t>(x.view.rank()) - 1)
    return importer.error(node, "a norm over more than the last axis");
  const int64_t cols = importer.value(x.value).shape.cols();
  std::vector<ValueId> inputs = {x.value};
  for (const size_t i : {size_t{1}, size_t{2}}) {
    if (i == 2 && importer.operand(node, i) == nullptr) break;
    if (i == 2 && op == OpKind::kRmsNorm) return importer.error(node, "an RMSNorm with a bias");
    const std::string row = importer.operand(node, i) == nullptr ? "" : node.inputs[i];
    RDU_ASSIGN(const ValueId id, importer.row_operand(node, row, cols, 1));
    inputs.push_back(id);
  }
  return importer.emit(node, op, std::move(inputs), x.view,
                       {{"eps", static_cast<double>(node.real("epsilon", epsilon))}});
}

}  // namespace

Status import_layer_norm(Importer& importer, const OnnxNode& node) {
  return norm(importer, node, OpKind::kLayerNorm, 1e-5F);
}
Status import_rms_norm(Importer& importer, const OnnxNode& node) {
  return norm(importer, node, OpKind::kRmsNorm, 1e-5F);
}

Status inside_only(Importer& importer, const OnnxNode& node) {
  return importer.error(
      node, fmt::format("{} of an activation outside the compositions that are known", node.op_type),
      "known: norms over the last axis, GELU, SiLU, rotary positions, attention; and constants");
}

}  // namespace rdusim::models::onnx
