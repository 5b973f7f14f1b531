// --set path=value: replaces one scalar of a document before it is parsed, so that an override passes the
// same checks as the file. A list element is named by its number or by its `name` member.
#include <fmt/format.h>

#include <charconv>

#include "base/io/document.h"
#include "base/io/document_scalars.h"

namespace rdusim {
namespace {

using Kind = DocumentNode::Kind;

std::string element_name(const DocumentNode& list, size_t index) {
  const DocumentNode* name = list.items[index].find("name");
  return name != nullptr && name->kind == Kind::kString ? name->text : fmt::format("{}", index);
}

DocumentNode* child(DocumentNode& node, std::string_view step) {
  if (node.kind == Kind::kMap) return node.find(step);
  if (node.kind != Kind::kList) return nullptr;
  for (size_t i = 0; i < node.items.size(); ++i) {
    if (element_name(node, i) == step || fmt::format("{}", i) == step) return &node.items[i];
  }
  return nullptr;
}

void collect(const DocumentNode& node, const std::string& prefix, std::vector<std::string>& paths) {
  const std::string lead = prefix.empty() ? "" : prefix + ".";
  if (node.kind == Kind::kMap) {
    for (const auto& [key, member] : node.members) collect(member, lead + key, paths);
  } else if (node.kind == Kind::kList) {
    for (size_t i = 0; i < node.items.size(); ++i)
      collect(node.items[i], lead + element_name(node, i), paths);
  } else {
    paths.push_back(prefix);
  }
}

}  // namespace

std::vector<std::string> scalar_paths(const DocumentNode& root, const std::string& root_name) {
  std::vector<std::string> paths;
  collect(root, root_name, paths);
  return paths;
}

Result<Override> parse_override(const std::string& text) {
  const size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0) {
    return Error{ErrorCode::kInvalidInput, "--set " + text, "expected path=value",
                 "for example --set chip.hbm.bandwidth_bytes_per_s=2.0e12"};
  }
  return Override{text.substr(0, equals), text.substr(equals + 1)};
}

Status apply_override(DocumentNode& root, std::string_view path_below_root, const std::string& value,
                      const std::string& full_path) {
  DocumentNode* node = &root;
  std::string_view rest = path_below_root;
  while (node != nullptr && !rest.empty()) {
    const size_t dot = rest.find('.');
    node = child(*node, rest.substr(0, dot));
    rest = dot == std::string_view::npos ? std::string_view() : rest.substr(dot + 1);
  }
  const std::string where = "--set " + full_path;
  if (node == nullptr || path_below_root.empty()) {
    const size_t lead = full_path.size() - std::min(full_path.size(), path_below_root.size() + 1);
    return Error{ErrorCode::kNotFound, where,
                 fmt::format("no such configuration value {}", backquoted(full_path)),
                 suggestion(full_path, scalar_paths(root, full_path.substr(0, lead)))};
  }
  if (node->kind == Kind::kMap || node->kind == Kind::kList) {
    return Error{ErrorCode::kInvalidInput, where,
                 fmt::format("expected a single value, found {}", describe(*node)),
                 "known: " + join_names(scalar_paths(*node, full_path))};
  }
  if (node->kind != Kind::kString) node->kind = plain_scalar_kind(value);
  node->text = value;
  node->where = where;
  return {};
}

}  // namespace rdusim
