// Words, numbers and quoted strings of the graph's text form, with the place of each for error messages.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "base/result.h"

namespace rdusim::compiler {

// In double quotes; backslash, quote and control characters are escaped (\\ \" \n \t \xHH).
std::string quoted(std::string_view text);

class TextScanner {
 public:
  TextScanner(std::string_view text, std::string file_name) : text_(text), file_name_(std::move(file_name)) {
    skip_blanks();
  }

  [[nodiscard]] bool at_end() const { return position_ == text_.size(); }
  [[nodiscard]] size_t position() const { return position_; }  // of the next token
  // The error's place is "file:line:col" of `position`.
  [[nodiscard]] Error error_at(size_t position, std::string what, std::string hint = "") const;

  // A token is a word (letters, digits, underscore), "->", or a single other character.
  [[nodiscard]] bool peek(std::string_view token) const;
  bool accept(std::string_view token);
  Status expect(std::string_view token);
  Result<std::string> word();
  Result<std::string> string();
  Result<int64_t> integer();
  // A real if it has a point, an exponent, or is inf or nan; else an integer.
  Result<std::variant<int64_t, double>> number();

 private:
  [[nodiscard]] Error unexpected(std::string_view wanted) const;
  void skip_blanks();
  [[nodiscard]] std::string_view next_token() const;
  [[nodiscard]] std::string_view number_text() const;
  Result<char> escaped_character(size_t start);

  std::string_view text_;
  std::string file_name_;
  size_t position_ = 0;
};

}  // namespace rdusim::compiler
