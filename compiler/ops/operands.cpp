// See operands.h.
#include "compiler/ops/operands.h"

#include <fmt/format.h>

#include "base/dtype.h"

namespace rdusim::compiler {

std::string shape_text(const Shape& shape) {
  return fmt::format("[{},{}]", shape.rows(), shape.cols());
}

Error operand_error(const Node& node, std::string what, std::string hint) {
  return Error{ErrorCode::kInvalidInput, fmt::format("node {} ({})", node.name, op_name(node.op)),
               std::move(what), std::move(hint)};
}

Status expect_rows(const Node& node, std::string_view what, const Value& value, int64_t rows) {
  if (value.shape.rows() == rows) return {};
  return operand_error(node, fmt::format("{} {} has shape {} but must have {} rows", what, value.name,
                                         shape_text(value.shape), rows));
}

Status expect_cols(const Node& node, std::string_view what, const Value& value, int64_t cols) {
  if (value.shape.cols() == cols) return {};
  return operand_error(node, fmt::format("{} {} has shape {} but must have {} columns", what, value.name,
                                         shape_text(value.shape), cols));
}

Status expect_same_shape(const Node& node, const Value& a, const Value& b) {
  if (a.shape.rows() == b.shape.rows() && a.shape.cols() == b.shape.cols()) return {};
  return operand_error(node, fmt::format("{} has shape {} but {} has shape {}", a.name, shape_text(a.shape),
                                         b.name, shape_text(b.shape)));
}

Status expect_whole_heads(const Node& node, const Value& value) {
  const int64_t head_dim = node.integer("head_dim");
  if (value.shape.cols() % head_dim == 0) return {};
  return operand_error(node, fmt::format("{} columns of {} are not whole heads of {}", value.shape.cols(),
                                         value.name, head_dim));
}

Status expect_at_least(const Node& node, std::string_view attribute, int64_t least) {
  const int64_t value = node.integer(attribute);
  if (value >= least) return {};
  return operand_error(node,
                       fmt::format("attribute {} is {} but must be at least {}", attribute, value, least));
}

Status expect_positive(const Node& node, std::initializer_list<std::string_view> attributes) {
  for (const std::string_view attribute : attributes) RDU_CHECK_OK(expect_at_least(node, attribute, 1));
  return {};
}

int64_t integer_or(const Node& node, std::string_view attribute, int64_t otherwise) {
  return node.has(attribute) ? node.integer(attribute) : otherwise;
}

double real_or(const Node& node, std::string_view attribute, double otherwise) {
  return node.has(attribute) ? node.real(attribute) : otherwise;
}

int64_t weight_operand_bytes(const Graph& graph, const Node& node) {
  int64_t bytes = 0;
  for (const ValueId input : node.inputs) {
    const Value& value = graph.value(input);
    if (value.role == SymbolRole::kWeight) bytes += value.shape.elements() * dtype_bytes(value.dtype);
  }
  return bytes;
}

OpCost elementwise_cost(const Graph& graph, const Node& node, int64_t per_element) {
  return OpCost{per_element * operand(graph, node, 0).shape.elements(), weight_operand_bytes(graph, node)};
}

bool rounds(const ReferenceContext& context, DType dtype) {
  return context.round_bf16 && dtype == DType::kBf16;
}

Tensor rounded(const ReferenceContext& context, Tensor result) {
  const DType dtype = context.graph->value(context.node->outputs.front()).dtype;
  if (!rounds(context, dtype)) return result;
  for (float& x : result.values) x = round_to_bf16(x);
  return result;
}

}  // namespace rdusim::compiler
