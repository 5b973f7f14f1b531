// Attribute lookup, operator names, and the builder that keeps every graph well-formed while it grows.
#include "compiler/graph/graph.h"

#include <algorithm>
#include <array>

#include "base/check.h"
#include "compiler/ops/op.h"

namespace rdusim::compiler {
namespace {

constexpr std::array kOpNames = {
#define RDU_OP(enumerator, name) std::string_view(name),
#include "compiler/ops/ops.def"
#undef RDU_OP
};

const Attribute* find_attribute(const Node& node, std::string_view name) {
  for (const Attribute& attribute : node.attributes) {
    if (attribute.name == name) return &attribute;
  }
  return nullptr;
}

const Attribute& require_attribute(const Node& node, std::string_view name) {
  const Attribute* found = find_attribute(node, name);
  RDU_CHECK(found != nullptr, "node {} ({}) has no attribute {}", node.name, op_name(node.op), name);
  return *found;
}

bool is_integer(DType dtype) {
  return dtype == DType::kInt32 || dtype == DType::kInt64;
}

}  // namespace

std::string_view op_name(OpKind op) {
  return kOpNames[static_cast<size_t>(op)];
}

std::optional<OpKind> op_from_name(std::string_view name) {
  for (size_t i = 0; i < kOpNames.size(); ++i) {
    if (kOpNames[i] == name) return static_cast<OpKind>(i);
  }
  return std::nullopt;
}

int64_t Node::integer(std::string_view attribute) const {
  const Attribute& found = require_attribute(*this, attribute);
  const int64_t* value = std::get_if<int64_t>(&found.value);
  RDU_CHECK(value != nullptr, "attribute {} of node {} is not an integer", attribute, name);
  return *value;
}

double Node::real(std::string_view attribute) const {
  const Attribute& found = require_attribute(*this, attribute);
  const double* value = std::get_if<double>(&found.value);
  RDU_CHECK(value != nullptr, "attribute {} of node {} is not a real number", attribute, name);
  return *value;
}

bool Node::has(std::string_view attribute) const {
  return find_attribute(*this, attribute) != nullptr;
}

ValueId GraphBuilder::add_source(std::string name, Shape shape, DType dtype, SymbolRole role,
                                 std::string source) {
  Value value;
  value.name = std::move(name);
  value.full_shape = shape;
  value.shape = std::move(shape);
  value.dtype = dtype;
  value.role = role;
  value.source = std::move(source);
  graph_.values.push_back(std::move(value));
  return ValueId(graph_.values.size() - 1);
}

DType GraphBuilder::result_dtype(const std::vector<ValueId>& inputs) const {
  if (activation_dtype_.has_value()) return *activation_dtype_;
  for (const ValueId input : inputs) {
    if (!is_integer(graph_.value(input).dtype)) return graph_.value(input).dtype;
  }
  return graph_.value(inputs.front()).dtype;
}

Result<ValueId> GraphBuilder::add(OpKind op, std::string name, std::vector<ValueId> inputs,
                                  std::vector<Attribute> attributes) {
  for (const ValueId input : inputs) {
    RDU_CHECK(input.value < graph_.values.size(), "operand %{} of {} does not exist", input.value, name);
  }
  std::sort(attributes.begin(), attributes.end(),
            [](const Attribute& a, const Attribute& b) { return a.name < b.name; });
  Node node{op, std::move(name), std::move(inputs), {}, std::move(attributes), layer_};
  RDU_ASSIGN(Shape shape, infer_shape(graph_, node));

  Value result;
  result.name = node.name;
  result.full_shape = shape;
  result.shape = std::move(shape);
  result.dtype = result_dtype(node.inputs);
  result.producer = NodeId(graph_.nodes.size());
  const ValueId id(graph_.values.size());
  node.outputs.push_back(id);
  graph_.values.push_back(std::move(result));
  graph_.nodes.push_back(std::move(node));
  return id;
}

}  // namespace rdusim::compiler
