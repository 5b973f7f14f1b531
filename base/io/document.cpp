// Document nodes: typed access with errors that say what was expected and what stands there.
#include "base/io/document.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>

#include "base/io/document_scalars.h"
#include "base/io/file.h"

namespace rdusim {
namespace {

using Kind = DocumentNode::Kind;

Error type_error(const DocumentNode& node, std::string_view expected) {
  return Error{ErrorCode::kInvalidInput, node.where,
               fmt::format("expected {}, found {}", expected, describe(node)), ""};
}

std::string_view without_plus(std::string_view text) {
  if (!text.empty() && text.front() == '+') text.remove_prefix(1);
  return text;
}

// The number of a kInteger or kReal scalar. from_chars would take "inf" and "nan" too: the caller checks
// finiteness.
bool parse_real(std::string_view text, double& value) {
  const std::string_view digits = without_plus(text);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  return error == std::errc() && end == digits.data() + digits.size();
}

bool parse_integer(std::string_view text, int64_t& value) {
  std::string_view digits = without_plus(text);
  int base = 10;
  if (digits.starts_with("0x") || digits.starts_with("0o")) {
    base = digits[1] == 'x' ? 16 : 8;
    digits.remove_prefix(2);
  }
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
  return error == std::errc() && end == digits.data() + digits.size();
}

}  // namespace

DocumentNode::DocumentNode() = default;
DocumentNode::DocumentNode(const DocumentNode& other) = default;
DocumentNode::DocumentNode(DocumentNode&& other) noexcept = default;
DocumentNode& DocumentNode::operator=(const DocumentNode& other) = default;
DocumentNode& DocumentNode::operator=(DocumentNode&& other) noexcept = default;
DocumentNode::~DocumentNode() = default;

const DocumentNode* DocumentNode::find(std::string_view key) const {
  if (kind != Kind::kMap) return nullptr;
  for (const auto& [name, node] : members) {
    if (name == key) return &node;
  }
  return nullptr;
}

DocumentNode* DocumentNode::find(std::string_view key) {
  return const_cast<DocumentNode*>(std::as_const(*this).find(key));
}

Result<int64_t> DocumentNode::as_integer() const {
  int64_t value = 0;
  if (kind == Kind::kInteger && parse_integer(text, value)) return value;
  double real = 0;
  const bool number = (kind == Kind::kReal || kind == Kind::kInteger) && parse_real(text, real);
  if (!number) return type_error(*this, "an integer");
  if (!(std::fabs(real) < 0x1.0p63)) {
    return Error{ErrorCode::kOutOfRange, where,
                 fmt::format("integer {} does not fit 64 bits", backquoted(text)), ""};
  }
  if (real != std::floor(real)) return type_error(*this, "an integer");
  return static_cast<int64_t>(real);
}

Result<double> DocumentNode::as_real() const {
  int64_t integer = 0;
  if (kind == Kind::kInteger && parse_integer(text, integer)) return static_cast<double>(integer);
  double value = 0;
  if ((kind != Kind::kReal && kind != Kind::kInteger) || !parse_real(text, value)) {
    if (kind == Kind::kReal) {
      return Error{ErrorCode::kOutOfRange, where,
                   fmt::format("number {} is beyond double precision", backquoted(text)), ""};
    }
    return type_error(*this, "a number");
  }
  if (!std::isfinite(value)) return type_error(*this, "a finite number");
  return value;
}

Result<bool> DocumentNode::as_bool() const {
  if (kind != Kind::kBool) return type_error(*this, "true or false");
  return text.front() == 't' || text.front() == 'T';
}

Result<std::string> DocumentNode::as_string() const {
  if (kind != Kind::kString) return type_error(*this, "a string");
  return text;
}

Result<const DocumentNode*> DocumentNode::at(std::string_view key) const {
  if (kind != Kind::kMap) return type_error(*this, fmt::format("a map with the key {}", backquoted(key)));
  if (const DocumentNode* found = find(key)) return found;
  std::vector<std::string> keys;
  for (const auto& [name, node] : members) keys.push_back(name);
  return Error{ErrorCode::kNotFound, where, fmt::format("missing key {}", backquoted(key)),
               suggestion(key, keys)};
}

Result<DocumentNode> read_document(const std::string& path, const DocumentLimits& limits) {
  const auto ends_with = [&](std::string_view suffix) { return std::string_view(path).ends_with(suffix); };
  const bool yaml = ends_with(".yaml") || ends_with(".yml");
  if (!yaml && !ends_with(".json")) {
    return Error{ErrorCode::kUnsupported, path, "unknown kind of file",
                 "known extensions: .yaml, .yml, .json"};
  }
  RDU_ASSIGN(const std::string text, read_text_file(path, limits.max_bytes));
  return yaml ? read_yaml_text(text, path, limits) : read_json_text(text, path, limits);
}

}  // namespace rdusim
