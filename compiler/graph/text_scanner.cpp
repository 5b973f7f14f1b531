// See text_scanner.h.
#include "compiler/graph/text_scanner.h"

#include <fmt/format.h>

#include <cctype>
#include <charconv>

namespace rdusim::compiler {
namespace {

bool is_word_character(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
}
bool is_control(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
}

}  // namespace

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (is_control(c)) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned>(static_cast<unsigned char>(c)));
    } else {
      out += c;
    }
  }
  return out + "\"";
}

Error TextScanner::error_at(size_t position, std::string what, std::string hint) const {
  int64_t line = 1;
  int64_t column = 1;
  for (const char c : text_.substr(0, position)) {
    column = c == '\n' ? 1 : column + 1;
    line += c == '\n' ? 1 : 0;
  }
  return Error{ErrorCode::kInvalidInput, fmt::format("{}:{}:{}", file_name_, line, column), std::move(what),
               std::move(hint)};
}

Error TextScanner::unexpected(std::string_view wanted) const {
  const std::string found = at_end() ? "the end of the text" : fmt::format("'{}'", next_token());
  return error_at(position_, fmt::format("expected {}, found {}", wanted, found));
}

void TextScanner::skip_blanks() {
  while (position_ < text_.size()) {
    const char c = text_[position_];
    if (c == '#') {
      while (position_ < text_.size() && text_[position_] != '\n') ++position_;
    } else if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
      ++position_;
    } else {
      return;
    }
  }
}

std::string_view TextScanner::next_token() const {
  if (at_end()) return {};
  size_t end = position_;
  while (end < text_.size() && is_word_character(text_[end])) ++end;
  if (end > position_) return text_.substr(position_, end - position_);
  return text_.substr(position_, text_.substr(position_, 2) == "->" ? 2 : 1);
}

bool TextScanner::peek(std::string_view token) const {
  return next_token() == token;
}

bool TextScanner::accept(std::string_view token) {
  if (!peek(token)) return false;
  position_ += token.size();
  skip_blanks();
  return true;
}

Status TextScanner::expect(std::string_view token) {
  if (accept(token)) return {};
  return unexpected(fmt::format("'{}'", token));
}

Result<std::string> TextScanner::word() {
  const std::string_view token = next_token();
  if (token.empty() || !is_word_character(token.front())) return unexpected("a word");
  std::string result(token);
  position_ += token.size();
  skip_blanks();
  return result;
}

Result<char> TextScanner::escaped_character(size_t start) {
  const char kind = position_ < text_.size() ? text_[position_] : '\0';
  ++position_;
  if (kind == 'n') return '\n';
  if (kind == 't') return '\t';
  if (kind == '"' || kind == '\\') return kind;
  if (kind == 'x' && position_ + 2 <= text_.size()) {
    unsigned code = 0;
    const char* first = text_.data() + position_;
    const auto [end, failure] = std::from_chars(first, first + 2, code, 16);
    if (failure == std::errc() && end == first + 2) {
      position_ += 2;
      return static_cast<char>(code);
    }
  }
  return error_at(start, "unknown escape in a string", "escapes: \\\\ \\\" \\n \\t \\xHH");
}

Result<std::string> TextScanner::string() {
  const size_t start = position_;
  if (at_end() || text_[position_] != '"') return unexpected("a string in double quotes");
  ++position_;
  std::string result;
  while (position_ < text_.size() && text_[position_] != '"' && text_[position_] != '\n') {
    const char c = text_[position_++];
    if (c != '\\') {
      result += c;
      continue;
    }
    RDU_ASSIGN(const char plain, escaped_character(start));
    result += plain;
  }
  if (position_ >= text_.size() || text_[position_] != '"')
    return error_at(start, "the string has no closing quote");
  ++position_;
  skip_blanks();
  return result;
}

std::string_view TextScanner::number_text() const {
  size_t end = position_;
  while (end < text_.size() &&
         (is_word_character(text_[end]) || text_[end] == '.' || text_[end] == '-' || text_[end] == '+')) {
    ++end;
  }
  return text_.substr(position_, end - position_);
}

Result<int64_t> TextScanner::integer() {
  const std::string_view token = number_text();
  int64_t value = 0;
  const auto [end, failure] = std::from_chars(token.data(), token.data() + token.size(), value);
  if (token.empty() || failure != std::errc() || end != token.data() + token.size()) {
    return unexpected("an integer");
  }
  position_ += token.size();
  skip_blanks();
  return value;
}

Result<std::variant<int64_t, double>> TextScanner::number() {
  const std::string_view token = number_text();
  if (token.find_first_of(".en") == std::string_view::npos) {
    RDU_ASSIGN(const int64_t value, integer());
    return std::variant<int64_t, double>(value);
  }
  double value = 0;
  const auto [end, failure] = std::from_chars(token.data(), token.data() + token.size(), value);
  if (failure != std::errc() || end != token.data() + token.size()) {
    return unexpected("a number");
  }
  position_ += token.size();
  skip_blanks();
  return std::variant<int64_t, double>(value);
}

}  // namespace rdusim::compiler
