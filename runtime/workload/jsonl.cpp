// JSON lines over base's JSON reader.
#include "runtime/workload/jsonl.h"

#include <fmt/format.h>

#include <algorithm>

namespace rdusim::runtime {
namespace {

// The reader saw a one-line file: its positions are "path:1:col".
Error relocated(Error error, const std::string& path, int64_t line) {
  const std::string first_line = path + ":1:";
  if (error.where.rfind(first_line, 0) == 0) {
    error.where = fmt::format("{}:{}:{}", path, line, error.where.substr(first_line.size()));
  } else {
    error.where = fmt::format("{}:{}:1", path, line);
  }
  return error;
}

}  // namespace

Status for_each_json_line(std::string_view text, const std::string& path,
                          const std::function<Status(const DocumentNode&, int64_t)>& row) {
  int64_t line = 0;
  for (size_t begin = 0; begin < text.size();) {
    const size_t newline = std::min(text.find('\n', begin), text.size());
    const std::string_view content = text.substr(begin, newline - begin);
    begin = newline + 1;
    ++line;
    if (content.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    Result<DocumentNode> node = read_json_text(content, path);
    if (!node.ok()) return relocated(node.take_error(), path, line);
    if (node->kind != DocumentNode::Kind::kMap) {
      return Error{ErrorCode::kInvalidInput, fmt::format("{}:{}:1", path, line),
                   "the line is not a JSON object", "write one object a line: {\"text\": \"...\"}"};
    }
    if (Status status = row(*node, line); !status.ok()) return relocated(status.take_error(), path, line);
  }
  return {};
}

Status check_known_keys(const DocumentNode& object, const std::vector<std::string>& known) {
  for (const auto& [key, value] : object.members) {
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    const std::string near = nearest(key, known);
    return Error{ErrorCode::kInvalidInput, value.where, fmt::format("unknown key '{}'", key),
                 near.empty()
                     ? fmt::format("known keys: {}", fmt::join(known, ", "))
                     : fmt::format("did you mean '{}'? known keys: {}", near, fmt::join(known, ", "))};
  }
  return {};
}

}  // namespace rdusim::runtime
