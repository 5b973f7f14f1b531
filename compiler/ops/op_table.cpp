// The table of operators: one record per line of ops.def, and the checks that hold for all of them.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>

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
  return name == "eps" || name == "scale" || name == "threshold";
}

Status check_attributes(const Node& node, const OpRecord& record) {
  std::vector<std::string_view> present;
  for (const Attribute& attribute : node.attributes) present.push_back(attribute.name);
  if (present != record.attributes) {
    return operand_error(
        node, fmt::format("has the attributes [{}]", fmt::join(present, ", ")),
        fmt::format("the operator takes [{}], sorted and each once", fmt::join(record.attributes, ", ")));
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
