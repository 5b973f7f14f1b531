// Rotary positions written out: x cos + Concat(-x[d/2:], x[:d/2]) sin, with tables that are constants by the
// time the sum is imported. x has heads of d columns; both halves of a table's row are equal.
#include <fmt/format.h>

#include "compiler/graph/graph.h"
#include "models/onnx/patterns.h"

namespace rdusim::models::onnx {
namespace {

// x of Concat(Neg(Slice(x)), Slice(x)).
std::optional<std::string> rotated_half(const NodeIndex& index, const std::string& name) {
  const OnnxNode* both = index.producer(name, "Concat");
  if (both == nullptr || both->inputs.size() != 2) return std::nullopt;
  const OnnxNode* negative = index.producer(both->inputs[0], "Neg");
  if (negative == nullptr) return std::nullopt;
  const auto part_of = [&index](const std::string& part) -> std::optional<std::string> {
    const OnnxNode* slice = index.producer(part, "Slice");
    if (slice == nullptr) slice = index.producer(part, "Split");
    if (slice == nullptr) return std::nullopt;
    return slice->inputs[0];
  };
  const auto second = part_of(negative->inputs[0]);
  const auto first = part_of(both->inputs[1]);
  if (!first || !second || !index.same(*first, *second)) return std::nullopt;
  return first;
}

// Rows of cosines then sines from a table over the matrix of x.
Result<Tensor> half_table(Importer& importer, const OnnxNode& node, const Tensor& cosines,
                          const Tensor& sines, int64_t head_dim) {
  const int64_t half = head_dim / 2;
  Tensor table(importer.tokens(), head_dim);
  for (int64_t t = 0; t < table.rows(); ++t) {
    for (int64_t c = 0; c < cosines.cols(); ++c) {
      const int64_t i = c % half;
      const float cosine = cosines.at(cosines.rows() == 1 ? 0 : t, c);
      const float sine = sines.at(sines.rows() == 1 ? 0 : t, c);
      if (c < half) {
        table.at(t, i) = cosine;
        table.at(t, half + i) = sine;
      } else if (table.at(t, i) != cosine || table.at(t, half + i) != sine) {
        return importer.error(node, "the halves of a rotary table differ, or its heads do");
      }
    }
  }
  return table;
}

Status emit_rope(Importer& importer, const OnnxNode& node, const Match& match) {
  RDU_ASSIGN(const Activation x, importer.activation(node, match.operands[0]));
  const View::Axis& last = x.view.axis(x.view.rank() - 1);
  const int64_t cols = importer.value(x.value).shape.cols();
  const int64_t head_dim = size_of(last);
  if (last.size() != 1 || last.front().stride != 1 || head_dim % 2 != 0 || cols % head_dim != 0)
    return importer.error(node, "rotary positions of what does not lie in heads of columns");
  RDU_ASSIGN(const Tensor cosines, importer.laid_out(node, match.operands[1], x));
  RDU_ASSIGN(const Tensor sines, importer.laid_out(node, match.operands[2], x));
  if (cosines.cols() != cols || sines.cols() != cols)
    return importer.error(node, "rotary tables without columns");
  RDU_ASSIGN(Tensor table, half_table(importer, node, cosines, sines, head_dim));
  const ValueId rows = importer.table(match.operands[1] + ".rope", std::move(table));
  return importer.emit(
      node, compiler::OpKind::kRope, {x.value, rows}, x.view,
      {{"head_dim", head_dim}, {"past_tokens", int64_t{0}}, {"query_tokens", importer.tokens()}});
}

}  // namespace

std::optional<Match> match_rope(const NodeIndex& index, const OnnxNode& node) {
  if (node.op_type != "Add" || node.inputs.size() != 2) return std::nullopt;
  for (const size_t i : {size_t{0}, size_t{1}}) {
    const OnnxNode* plain = index.producer(node.inputs[i], "Mul");
    const OnnxNode* turned = index.producer(node.inputs[1 - i], "Mul");
    if (plain == nullptr || turned == nullptr) continue;
    for (const size_t j : {size_t{0}, size_t{1}}) {
      const auto x = rotated_half(index, turned->inputs[j]);
      if (!x) continue;
      for (const size_t k : {size_t{0}, size_t{1}}) {
        if (!index.same(plain->inputs[k], *x)) continue;
        Match match;
        match.operands = {*x, plain->inputs[1 - k], turned->inputs[1 - j]};
        match.emit = emit_rope;
        return match;
      }
    }
  }
  return std::nullopt;
}

}  // namespace rdusim::models::onnx
