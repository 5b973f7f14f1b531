// LineReader: the words and numbers of one line of the program's text form, read in turn. Private to the
// parser.
#pragma once

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <charconv>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

#include "base/dtype.h"
#include "base/program/program.h"
#include "base/result.h"

namespace rdusim {

// Bounds what a hostile file can make us allocate; far above any real program.
inline constexpr int64_t kMaxIndex = 1 << 24;

// Reads the words of one line. The first failure is kept; later reads yield zeros, so callers check once a
// line.
class LineReader {
 public:
  LineReader(std::string_view line, std::string where) : line_(line), where_(std::move(where)) {}

  [[nodiscard]] bool at_end() {
    while (at_ < line_.size() && (line_[at_] == ' ' || line_[at_] == '\t' || line_[at_] == '\r')) ++at_;
    return at_ >= line_.size() || line_[at_] == '#';
  }

  std::string_view word() {
    if (at_end()) return fail("the line ends too early"), std::string_view();
    start_ = at_;
    while (at_ < line_.size() && line_[at_] != ' ' && line_[at_] != '\t' && line_[at_] != '\r') ++at_;
    return line_.substr(start_, at_ - start_);
  }

  void keyword(std::string_view expected) {
    const std::string_view got = word();
    if (!failed() && got != expected) fail(fmt::format("expected '{}', found '{}'", expected, got));
  }

  int64_t integer() {
    const std::string_view text = word();
    int64_t value = 0;
    if (failed()) return 0;
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (code != std::errc() || end != text.data() + text.size()) {
      return fail(fmt::format("expected an integer, found '{}'", text)), 0;
    }
    return value;
  }
  int64_t integer(std::string_view name) { return keyword(name), integer(); }

  int64_t bounded(int64_t limit) {
    const int64_t value = integer();
    if (!failed() && (value < 0 || value >= limit)) {
      return fail(fmt::format("{} is not in [0, {})", value, limit)), 0;
    }
    return value;
  }
  size_t index() { return static_cast<size_t>(bounded(kMaxIndex)); }

  // An index that is part of a word already read.
  size_t index_of(std::string_view text) {
    int64_t value = 0;
    if (failed()) return 0;
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (code != std::errc() || end != text.data() + text.size() || value < 0 || value >= kMaxIndex) {
      return fail(fmt::format("expected a number in [0, {}), found '{}'", kMaxIndex, text)), 0;
    }
    return static_cast<size_t>(value);
  }
  [[nodiscard]] bool next_is(std::string_view expected) {
    if (failed() || at_end()) return false;
    const std::string_view rest = line_.substr(at_);
    return rest.substr(0, rest.find_first_of(" \t\r")) == expected;
  }

  Register reg() {
    const std::string_view text = word();
    unsigned value = 0;
    if (failed()) return 0;
    if (text.size() < 2 || text[0] != '%')
      return fail(fmt::format("expected a register, found '{}'", text)), Register{0};
    const auto [end, code] = std::from_chars(text.data() + 1, text.data() + text.size(), value);
    if (code != std::errc() || end != text.data() + text.size() ||
        value > std::numeric_limits<Register>::max()) {
      return fail(fmt::format("expected a register, found '{}'", text)), Register{0};
    }
    return static_cast<Register>(value);
  }

  float real() {
    const std::string_view text = word();
    float value = 0;
    if (failed()) return 0;
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (code != std::errc() || end != text.data() + text.size()) {
      return fail(fmt::format("expected a number, found '{}'", text)), 0.0F;
    }
    return value;
  }

  std::string string() {
    std::string out;
    if (at_end() || line_[at_] != '"') {
      start_ = at_;
      return fail("expected a quoted name"), out;
    }
    start_ = at_++;
    while (at_ < line_.size() && line_[at_] != '"') {
      if (line_[at_] == '\\' && at_ + 1 < line_.size()) {
        ++at_;
        out += line_[at_] == 'n' ? '\n' : line_[at_];
      } else {
        out += line_[at_];
      }
      ++at_;
    }
    if (at_ >= line_.size()) return fail("the quote is not closed"), out;
    ++at_;
    return out;
  }
  std::string string(std::string_view name) { return keyword(name), string(); }

  // A word of `names`, as its position.
  template <typename E, size_t N>
  E one_of(const std::array<std::string_view, N>& names) {
    const std::string_view text = word();
    for (size_t i = 0; i < N; ++i) {
      if (names[i] == text) return static_cast<E>(i);
    }
    if (!failed()) fail(fmt::format("'{}' is not one of: {}", text, fmt::join(names, ", ")));
    return static_cast<E>(0);
  }
  template <typename E, size_t N>
  E named(std::string_view (*name)(E)) {
    std::array<std::string_view, N> names;
    for (size_t i = 0; i < N; ++i) names[i] = name(static_cast<E>(i));
    return one_of<E>(names);
  }
  DType dtype() {
    const std::string_view text = word();
    const std::optional<DType> found = dtype_from_name(text);
    if (!found && !failed()) fail(fmt::format("'{}' is not a number format", text));
    return found.value_or(DType::kBf16);
  }

  void fail(std::string what) {
    if (failed()) return;
    error_ = Error{ErrorCode::kInvalidInput, fmt::format("{}:{}", where_, start_ + 1), std::move(what), ""};
  }
  [[nodiscard]] bool failed() const { return error_.has_value(); }
  Status finish() {
    if (!failed() && !at_end()) {
      start_ = at_;
      fail(fmt::format("unexpected '{}'", line_.substr(at_)));
    }
    if (failed()) return std::move(*error_);
    return {};
  }

 private:
  std::string_view line_;
  std::string where_;
  size_t at_ = 0;
  size_t start_ = 0;
  std::optional<Error> error_;
};

}  // namespace rdusim
