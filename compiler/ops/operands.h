// Small helpers that every operator file uses: operands, error text, and the rounding of results.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>

#include "base/result.h"
#include "base/tensor.h"
#include "compiler/graph/graph.h"
#include "compiler/ops/op.h"

namespace rdusim::compiler {

inline const Value& operand(const Graph& graph, const Node& node, size_t i) {
  return graph.value(node.inputs[i]);
}
inline Shape matrix(int64_t rows, int64_t cols) {
  return Shape{{rows, cols}};
}
std::string shape_text(const Shape& shape);  // "[3,4]" as a matrix

// Error of kInvalidInput whose place is the node, with its operator.
Error operand_error(const Node& node, std::string what, std::string hint = "");

// The operand called `what` has these extents.
Status expect_rows(const Node& node, std::string_view what, const Value& value, int64_t rows);
Status expect_cols(const Node& node, std::string_view what, const Value& value, int64_t cols);
Status expect_same_shape(const Node& node, const Value& a, const Value& b);
// Its columns divide by attribute head_dim, which is positive.
Status expect_whole_heads(const Node& node, const Value& value);
Status expect_at_least(const Node& node, std::string_view attribute, int64_t least);
// A list of integer attributes that must all be at least 1.
Status expect_positive(const Node& node, std::initializer_list<std::string_view> attributes);

// An optional attribute.
int64_t integer_or(const Node& node, std::string_view attribute, int64_t otherwise);
double real_or(const Node& node, std::string_view attribute, double otherwise);

// Bytes of the operands that are weights, each read once.
int64_t weight_operand_bytes(const Graph& graph, const Node& node);
// `per_element` FLOPs for each element of the first operand.
OpCost elementwise_cost(const Graph& graph, const Node& node, int64_t per_element);

// Whether values of this type are rounded in this run.
bool rounds(const ReferenceContext& context, DType dtype);
// The result, rounded to BF16 where its value is stored so.
Tensor rounded(const ReferenceContext& context, Tensor result);

}  // namespace rdusim::compiler
