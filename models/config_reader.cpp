// See config_reader.h.
#include "models/config_reader.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <limits>

namespace rdusim::models {
namespace {

constexpr int64_t kMaxExtent =
    std::numeric_limits<int32_t>::max();  // of one dimension; products stay below 2^63

Error out_of_range(const DocumentNode& node, std::string_view key, std::string range) {
  return config_error(node, ErrorCode::kOutOfRange, fmt::format("{} is {}", key, node.text),
                      fmt::format("it must be {}", range));
}

bool is_scalar(const DocumentNode& node) {
  return node.kind != DocumentNode::Kind::kList && node.kind != DocumentNode::Kind::kMap;
}

}  // namespace

Error config_error(const DocumentNode& node, ErrorCode code, std::string what, std::string hint) {
  return Error{code, node.where, std::move(what), std::move(hint)};
}

const DocumentNode* ConfigReader::optional(std::string_view key) {
  known_.emplace_back(key);
  const DocumentNode* node = map_.find(key);
  return node == nullptr || node->kind == DocumentNode::Kind::kNull ? nullptr : node;
}

Result<int64_t> ConfigReader::integer(std::string_view key, int64_t least, int64_t most) {
  known_.emplace_back(key);
  RDU_ASSIGN(const DocumentNode* node, map_.at(key));
  RDU_ASSIGN(const int64_t value, node->as_integer());
  if (value < least || value > most)
    return out_of_range(*node, key, fmt::format("from {} to {}", least, most));
  return value;
}

Result<int64_t> ConfigReader::positive(std::string_view key) {
  return integer(key, 1, kMaxExtent);
}

Result<double> ConfigReader::real(std::string_view key, double least, double most) {
  known_.emplace_back(key);
  RDU_ASSIGN(const DocumentNode* node, map_.at(key));
  RDU_ASSIGN(const double value, node->as_real());
  if (value < least || value > most)
    return out_of_range(*node, key, fmt::format("from {} to {}", least, most));
  return value;
}

Result<int64_t> ConfigReader::positive_or(std::string_view key, int64_t otherwise) {
  if (optional(key) == nullptr) return otherwise;
  return positive(key);
}

Result<double> ConfigReader::real_or(std::string_view key, double otherwise, double least, double most) {
  if (optional(key) == nullptr) return otherwise;
  return real(key, least, most);
}

Result<bool> ConfigReader::boolean_or(std::string_view key, bool otherwise) {
  const DocumentNode* node = optional(key);
  if (node == nullptr) return otherwise;
  return node->as_bool();
}

Status ConfigReader::must_be_if_present(std::string_view key, std::string_view value) {
  const DocumentNode* node = optional(key);
  if (node == nullptr) return {};
  if (is_scalar(*node) && node->text == value) return {};
  return config_error(*node, ErrorCode::kUnsupported,
                      fmt::format("{} is {}", key, is_scalar(*node) ? node->text : "not a scalar"),
                      fmt::format("only {} is modelled", value));
}

Result<std::string> ConfigReader::one_of(std::string_view key, const std::vector<std::string>& known) {
  known_.emplace_back(key);
  RDU_ASSIGN(const DocumentNode* node, map_.at(key));
  const bool list = node->kind == DocumentNode::Kind::kList && node->items.size() == 1;
  RDU_ASSIGN(std::string value, (list ? node->items.front() : *node).as_string());
  if (std::find(known.begin(), known.end(), value) != known.end()) return value;
  return config_error(*node, ErrorCode::kUnsupported, fmt::format("{} is {}", key, value),
                      fmt::format("supported: {}", fmt::join(known, ", ")));
}

void ConfigReader::ignore(std::initializer_list<std::string_view> keys) {
  for (const std::string_view key : keys) known_.emplace_back(key);
}

Status ConfigReader::finish() const {
  for (const auto& [key, node] : map_.members) {
    if (std::find(known_.begin(), known_.end(), key) != known_.end()) continue;
    const std::string suggestion = nearest(key, known_);
    return config_error(node, ErrorCode::kUnsupported,
                        fmt::format("unknown key {}, which might change what the model computes", key),
                        suggestion.empty() ? "remove it if it has no influence on inference"
                                           : fmt::format("did you mean {}?", suggestion));
  }
  return {};
}

}  // namespace rdusim::models
