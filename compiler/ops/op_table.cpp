// The table of operators: one record per line of ops.def, and the checks that hold for all of them.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <functional>

#include "compiler/ops/op.h"
#include "compiler/ops/operands.h"

namespace rdusim::compiler {
namespace {

// Addresses only: the records may be initialised after this table.
constexpr std::array kRecords = {
#define RDU_OP(enumerator, name) &enumerator##Record,
#include "compiler/ops/ops.def"
#undef RDU_OP
};

// Bounds integer attributes so that shape rules may multiply two of them.
constexpr int64_t kMaxInteger = int64_t{1} << 31;

// A list in words: attribute types cannot be told from the record, so the one exception is named here.
bool is_real_attribute(std::string_view name) {
  constexpr std::string_view kReal[] = {"eps",  "scale", "threshold", "cap",  "limit",
                                        "rate", "beta1", "beta2",     "decay"};
  return std::find(std::begin(kReal), std::end(kReal), name) != std::end(kReal);
}

// Every required attribute, and of the others only optional ones; sorted, each once.
bool attributes_fit(const std::vector<std::string_view>& present, const OpRecord& record) {
  std::vector<std::string_view> required;
  for (const std::string_view name : present) {
    const auto& optional = record.optional_attributes;
    if (std::find(optional.begin(), optional.end(), name) == optional.end()) required.push_back(name);
  }
  return required == record.attributes &&
         std::adjacent_find(present.begin(), present.end(), std::greater_equal<>()) == present.end();
}

Status check_attributes(const Node& node, const OpRecord& record) {
  std::vector<std::string_view> present;
  for (const Attribute& attribute : node.attributes) present.push_back(attribute.name);
  if (!attributes_fit(present, record)) {
    std::string takes = fmt::format("the operator takes [{}]", fmt::join(record.attributes, ", "));
    if (!record.optional_attributes.empty())
      takes += fmt::format(" and may take [{}]", fmt::join(record.optional_attributes, ", "));
    return operand_error(node, fmt::format("has the attributes [{}]", fmt::join(present, ", ")),
                         takes + ", sorted and each once");
  }
  for (const Attribute& attribute : node.attributes) {
    const bool real = std::holds_alternative<double>(attribute.value);
    const int64_t* integer = std::get_if<int64_t>(&attribute.value);
    if (integer != nullptr && (*integer > kMaxInteger || *integer < -kMaxInteger)) {
      return operand_error(node, fmt::format("attribute {} is beyond 2^31", attribute.name));
    }
    if (real != is_real_attribute(attribute.name)) {
      return operand_error(node, fmt::format("attribute {} must be {}", attribute.name,
                                             real ? "an integer" : "a real number"));
    }
  }
  return {};
}

}  // namespace

const OpRecord& op_record(OpKind op) {
  return *kRecords[static_cast<size_t>(op)];
}

Result<Shape> infer_shape(const Graph& graph, const Node& node) {
  const OpRecord& record = op_record(node.op);
  const auto inputs = static_cast<int>(node.inputs.size());
  if (inputs < record.min_inputs || inputs > record.max_inputs) {
    return operand_error(node,
                         fmt::format("has {} operands, the operator takes {}", inputs,
                                     record.min_inputs == record.max_inputs
                                         ? fmt::format("{}", record.min_inputs)
                                         : fmt::format("{} to {}", record.min_inputs, record.max_inputs)));
  }
  RDU_CHECK_OK(check_attributes(node, record));
  return record.infer(graph, node);
}

}  // namespace rdusim::compiler
