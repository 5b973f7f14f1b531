// The index of nodes, and the list of patterns; see patterns.h.
#include "models/onnx/patterns.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <string_view>

namespace rdusim::models::onnx {

NodeIndex::NodeIndex(const OnnxFile& file) : file_(file) {
  for (const OnnxNode& node : file.nodes()) {
    for (const std::string& output : node.outputs) producers_.emplace(output, &node);
  }
}

const OnnxNode* NodeIndex::producer(const std::string& name) const {
  const auto found = producers_.find(name);
  return found == producers_.end() ? nullptr : found->second;
}

std::string NodeIndex::origin(std::string name) const {
  // A name is made once, but a broken file may go in a circle: no more steps than there are nodes.
  for (size_t steps = 0; steps < file_.nodes().size(); ++steps) {
    const OnnxNode* node = producer(name);
    if (node == nullptr || node->inputs.empty()) break;
    if (node->op_type != "Cast" && node->op_type != "Identity" && node->op_type != "Dropout") break;
    name = node->inputs.front();
  }
  return name;
}

const OnnxNode* NodeIndex::producer(const std::string& name, const char* op_type) const {
  const OnnxNode* node = producer(origin(name));
  if (node == nullptr || node->op_type != op_type || !node->domain.empty()) return nullptr;
  constexpr std::string_view kBinary[] = {"Add", "Sub", "Mul", "Div", "Pow", "MatMul"};
  const bool binary = std::find(std::begin(kBinary), std::end(kBinary), node->op_type) != std::end(kBinary);
  return binary ? node->inputs.size() == 2 ? node : nullptr : node->inputs.empty() ? nullptr : node;
}

const OnnxTensor* NodeIndex::constant(const std::string& name) const {
  const std::string from = origin(name);
  if (const OnnxTensor* stored = file_.initializer(from)) return stored;
  const OnnxNode* node = producer(from);
  if (node == nullptr || node->op_type != "Constant") return nullptr;
  const OnnxAttribute* value = node->find("value");
  return value != nullptr && value->tensor ? &*value->tensor : nullptr;
}

std::optional<double> NodeIndex::number(const std::string& name) const {
  const OnnxTensor* tensor = constant(name);
  if (tensor == nullptr || tensor->shape.elements() != 1) return std::nullopt;
  const Result<Tensor> values = file_.read(*tensor);
  if (!values.ok()) return std::nullopt;
  return static_cast<double>(values->values.front());
}

bool NodeIndex::is_number(const std::string& name, double wanted) const {
  const std::optional<double> found = number(name);
  constexpr double kTolerance = 1e-3;  // constants of exporters are rounded, at worst to BF16's 8 bits
  return found && std::abs(*found - wanted) <= kTolerance * std::abs(wanted);
}

std::vector<std::string> NodeIndex::factors(const std::string& name, int depth) const {
  const OnnxNode* product = depth == 0 ? nullptr : producer(name, "Mul");
  if (product == nullptr || product->inputs.size() != 2) return {origin(name)};
  std::vector<std::string> all = factors(product->inputs[0], depth - 1);
  for (std::string& factor : factors(product->inputs[1], depth - 1)) all.push_back(std::move(factor));
  return all;
}

std::optional<Match> find_pattern(const NodeIndex& index, const OnnxNode& node) {
  constexpr Matcher kMatchers[] = {
#define RDU_ONNX_PATTERN(match) match,
#include "models/onnx/patterns.def"
#undef RDU_ONNX_PATTERN
  };
  if (!node.domain.empty() || node.outputs.empty()) return std::nullopt;
  for (const Matcher matcher : kMatchers) {
    if (std::optional<Match> match = matcher(index, node)) return match;
  }
  return std::nullopt;
}

}  // namespace rdusim::models::onnx
