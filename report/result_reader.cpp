#include "report/result_reader.h"

#include <utility>

namespace rdusim::report {

const DocumentNode* ResultReader::present(const DocumentNode& owner, std::string_view key) const {
  const DocumentNode* node = owner.find(key);
  return node == nullptr || node->kind == DocumentNode::Kind::kNull ? nullptr : node;
}

void ResultReader::fail(const std::string& where, std::string what) {
  if (status_.ok())
    status_ = Error{ErrorCode::kInvalidInput, where, std::move(what), "is it a result of rdusim?"};
}

double ResultReader::as_number(const DocumentNode& node) {
  return take(node.as_real());
}

double ResultReader::number(const DocumentNode& owner, std::string_view key) {
  const DocumentNode* node = take(owner.at(key));
  return node == nullptr ? 0 : as_number(*node);
}

int64_t ResultReader::count(const DocumentNode& owner, std::string_view key) {
  const DocumentNode* node = take(owner.at(key));
  if (node == nullptr) return 0;
  const int64_t value = take(node->as_integer());
  if (value >= 0) return value;
  fail(node->where, std::string(key) + " is negative");
  return 0;
}

std::string ResultReader::text(const DocumentNode& owner, std::string_view key) {
  const DocumentNode* node = take(owner.at(key));
  return node == nullptr ? "" : take(node->as_string());
}

double ResultReader::number_or_zero(const DocumentNode& owner, std::string_view key) {
  const DocumentNode* node = present(owner, key);
  return node == nullptr ? 0 : as_number(*node);
}

std::string ResultReader::text_or_empty(const DocumentNode& owner, std::string_view key) {
  const DocumentNode* node = present(owner, key);
  return node == nullptr ? "" : take(node->as_string());
}

bool ResultReader::flag(const DocumentNode& owner, std::string_view key) {
  const DocumentNode* node = present(owner, key);
  return node != nullptr && take(node->as_bool());
}

const std::vector<DocumentNode>& ResultReader::items(const DocumentNode& owner, std::string_view key) {
  static const std::vector<DocumentNode> none;
  const DocumentNode* node = present(owner, key);
  if (node == nullptr) return none;
  if (node->kind == DocumentNode::Kind::kList) return node->items;
  fail(node->where, std::string(key) + " is not a list");
  return none;
}

const std::vector<std::pair<std::string, DocumentNode>>& ResultReader::members(const DocumentNode& owner,
                                                                               std::string_view key) {
  static const std::vector<std::pair<std::string, DocumentNode>> none;
  const DocumentNode* node = present(owner, key);
  if (node == nullptr) return none;
  if (node->kind == DocumentNode::Kind::kMap) return node->members;
  fail(node->where, std::string(key) + " is not a map");
  return none;
}

std::vector<double> ResultReader::numbers(const DocumentNode& owner, std::string_view key) {
  std::vector<double> values;
  for (const DocumentNode& item : items(owner, key)) values.push_back(as_number(item));
  return values;
}

}  // namespace rdusim::report
