// MatMul, Gemm and Softmax: products with weights, and attention, whose scores are kept as what they are made
// of until they meet the values.
#include <fmt/format.h>

#include "base/check.h"
#include "compiler/graph/graph.h"
#include "models/onnx/importer.h"

namespace rdusim::models::onnx {
namespace {

using compiler::OpKind;

// Heads side by side in the columns of a matrix whose rows are (sequence, token).
struct Heads {
  int64_t count = 1;
  int64_t repeats = 1;  // each is read by so many query heads in a row
  int64_t dim = 1;
};

bool is_factor(const View::Axis& axis, int64_t size, int64_t stride) {
  if (size == 1) return axis.empty();
  return axis.size() == 1 && axis.front() == Factor{size, stride};
}

// Axes [batch, (heads,) token, column], or with the last two turned. Batch and heads may be one axis, as
// batched products of three axes have them.
std::optional<Heads> heads_of(const Importer& importer, const Activation& x, bool turned) {
  const size_t rank = x.view.rank();
  if (rank != 3 && rank != 4) return std::nullopt;
  const int64_t cols = importer.value(x.value).shape.cols();
  const View::Axis& token = x.view.axis(turned ? rank - 1 : rank - 2);
  const View::Axis& column = x.view.axis(turned ? rank - 2 : rank - 1);
  Heads heads;
  heads.dim = size_of(column);
  const bool placed = is_factor(token, importer.tokens(), cols) && is_factor(column, heads.dim, 1);
  if (!placed || heads.dim == 0 || cols % heads.dim != 0) return std::nullopt;
  heads.count = cols / heads.dim;
  View::Axis sequences = x.view.axis(0);
  View::Axis axis = rank == 4 ? x.view.axis(1) : View::Axis{};
  if (rank == 3 && heads.count > 1 && !sequences.empty()) {
    const bool batched = importer.batch() > 1;
    axis.assign(sequences.begin() + (batched ? 1 : 0), sequences.end());
    sequences.resize(batched ? 1 : 0);
  }
  if (!is_factor(sequences, importer.batch(), importer.tokens() * cols)) return std::nullopt;
  if (!axis.empty() && axis.back().stride == 0) {
    heads.repeats = axis.back().size;
    axis.pop_back();
  }
  if (!is_factor(axis, heads.count, heads.dim)) return std::nullopt;
  return heads;
}

Status attend(Importer& importer, const OnnxNode& node, const Scores& scores, const Activation& values) {
  const auto q = heads_of(importer, scores.queries, false);
  const auto k = heads_of(importer, scores.keys, true);
  const auto v = heads_of(importer, values, false);
  if (!q || !k || !v || q->repeats != 1)
    return importer.error(node, "an attention whose queries, keys or values are not heads of whole tokens",
                          "axes: batch, heads (or both in one), tokens, columns of a head");
  const bool alike = k->count == v->count && k->repeats == v->repeats && q->dim == k->dim &&
                     q->dim == v->dim && q->count == k->count * k->repeats;
  if (!alike)
    return importer.error(
        node, fmt::format("{} query heads of {}, {} x {} key heads of {}, {} x {} value heads of {}",
                          q->count, q->dim, k->count, k->repeats, k->dim, v->count, v->repeats, v->dim));
  // As the queries lie.
  const View plain = View::plain({importer.batch(), importer.tokens(), q->count, q->dim});
  const std::optional<View> view = plain.transposed({0, 2, 1, 3}).reshaped(scores.queries.view.dims());
  RDU_CHECK(view.has_value(), "an attention has no view like its queries");
  return importer.emit(node, OpKind::kAttention, {scores.queries.value, scores.keys.value, values.value},
                       *view,
                       {{"capacity", int64_t{0}},
                        {"causal", int64_t{scores.causal ? 1 : 0}},
                        {"head_dim", q->dim},
                        {"heads", q->count},
                        {"kv_heads", k->count},
                        {"past_tokens", int64_t{0}},
                        {"query_tokens", importer.tokens()},
                        {"scale", scores.scale},
                        {"window", int64_t{0}}});
}

}  // namespace

Status import_matmul(Importer& importer, const OnnxNode& node) {
  RDU_ASSIGN(const std::string first, importer.required(node, 0));
  RDU_ASSIGN(const std::string second, importer.required(node, 1));
  const Item& b = *importer.item(second);
  if (std::holds_alternative<Constant>(b)) {
    RDU_ASSIGN(const Activation x, importer.whole_rows(node, first));
    return importer.linear(node, x, second, true, "");
  }
  RDU_ASSIGN(const Activation right, importer.activation(node, second));
  if (const auto* scores = std::get_if<Scores>(importer.item(first))) {
    if (scores->probabilities) return attend(importer, node, *scores, right);
    return importer.error(node, "scores of an attention without their softmax");
  }
  RDU_ASSIGN(const Activation left, importer.activation(node, first));
  if (left.view.rank() < 3 || left.view.rank() != right.view.rank())
    return importer.error(
        node, "a product of two activations that is no attention",
        "supported: with a constant matrix; queries with keys, and probabilities with values");
  importer.set(node.outputs.front(), Scores{left, right});
  return {};
}

// alpha A B' + beta C, with A an activation and B, C constants.
Status import_gemm(Importer& importer, const OnnxNode& node) {
  RDU_ASSIGN(const std::string first, importer.required(node, 0));
  RDU_ASSIGN(const std::string second, importer.required(node, 1));
  if (node.integer("transA", 0) != 0) return importer.error(node, "a Gemm of A transposed");
  RDU_ASSIGN(const Activation x, importer.whole_rows(node, first));
  const bool turned = node.integer("transB", 0) == 0;
  const std::string bias = importer.operand(node, 2) != nullptr ? node.inputs[2] : "";
  const double alpha = static_cast<double>(node.real("alpha", 1));
  const double beta = static_cast<double>(node.real("beta", 1));
  if (alpha == 1 && (beta == 1 || bias.empty())) return importer.linear(node, x, second, turned, bias);
  if (!bias.empty())
    return importer.error(node, fmt::format("a Gemm with alpha {} and beta {}", alpha, beta),
                          "with a third operand both must be 1");
  RDU_ASSIGN(const ValueId w, importer.weight(node, second, turned));
  RDU_ASSIGN(const ValueId y, importer.add(node, OpKind::kLinear, {x.value, w}, {}, 0, ".product"));
  const View view = x.view.with_columns(importer.value(x.value).shape.cols(), importer.value(w).shape.rows());
  return importer.emit(node, OpKind::kScale, {y}, view, {{"scale", alpha}});
}

Status import_softmax(Importer& importer, const OnnxNode& node) {
  RDU_ASSIGN(const std::string name, importer.required(node, 0));
  const Item& item = *importer.item(name);
  const auto rank = static_cast<int64_t>(dims_of(item).size());
  const int64_t axis = node.integer("axis", importer.file().opset() < 13 ? 1 : -1);
  if (axis != -1 && axis != rank - 1)
    return importer.error(node, "a softmax over another axis than the last");
  if (const auto* scores = std::get_if<Scores>(&item)) {
    if (scores->probabilities) return importer.error(node, "a softmax of probabilities");
    Scores result = *scores;
    result.probabilities = true;
    importer.set(node.outputs.front(), result);
    return {};
  }
  RDU_ASSIGN(const Activation x, importer.whole_rows(node, name));
  return importer.emit(node, OpKind::kSoftmax, {x.value}, x.view);
}

}  // namespace rdusim::models::onnx
