// Plain-scalar resolution (YAML 1.2 core schema), texts for error messages, and the nearest known name.
#include "base/io/document_scalars.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace rdusim {
namespace {

using Kind = DocumentNode::Kind;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

size_t skip_digits(std::string_view text, size_t at) {
  while (at < text.size() && is_digit(text[at])) ++at;
  return at;
}

bool is_based_integer(std::string_view text) {
  if (text.size() < 3 || text[0] != '0') return false;
  const std::string_view digits = text.substr(2);
  if (text[1] == 'o') return digits.find_first_not_of("01234567") == std::string_view::npos;
  if (text[1] == 'x') return digits.find_first_not_of("0123456789abcdefABCDEF") == std::string_view::npos;
  return false;
}

// [-+]? (digits (. digits*)? | . digits) ([eE] [-+]? digits)?
Kind number_kind(std::string_view text) {
  if (is_based_integer(text)) return Kind::kInteger;
  size_t at = (text[0] == '-' || text[0] == '+') ? 1 : 0;
  const size_t whole_end = skip_digits(text, at);
  size_t digits = whole_end - at;
  at = whole_end;
  if (at == text.size()) return digits > 0 ? Kind::kInteger : Kind::kString;
  if (text[at] == '.') {
    const size_t fraction_end = skip_digits(text, at + 1);
    digits += fraction_end - at - 1;
    at = fraction_end;
  }
  if (digits == 0) return Kind::kString;
  if (at == text.size()) return Kind::kReal;
  if (text[at] != 'e' && text[at] != 'E') return Kind::kString;
  ++at;
  if (at < text.size() && (text[at] == '-' || text[at] == '+')) ++at;
  const size_t end = skip_digits(text, at);
  return end > at && end == text.size() ? Kind::kReal : Kind::kString;
}

// Edits (insert, delete, replace, swap of neighbours) from a to b.
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> before(b.size() + 1);
  std::vector<size_t> last(b.size() + 1);
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] == b[j - 1] ? 0U : 1U)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        row[j] = std::min(row[j], before[j - 2] + 1);
    }
    std::swap(before, last);
    std::swap(last, row);
  }
  return last[b.size()];
}

}  // namespace

Kind plain_scalar_kind(std::string_view text) {
  static constexpr std::array<std::string_view, 5> kNulls = {"", "~", "null", "Null", "NULL"};
  static constexpr std::array<std::string_view, 6> kBools = {"true",  "True",  "TRUE",
                                                             "false", "False", "FALSE"};
  if (std::find(kNulls.begin(), kNulls.end(), text) != kNulls.end()) return Kind::kNull;
  if (std::find(kBools.begin(), kBools.end(), text) != kBools.end()) return Kind::kBool;
  return number_kind(text);
}

std::string backquoted(std::string_view text) {
  constexpr size_t kShown = 60;
  std::string out = "`";
  for (const char c : text.substr(0, kShown)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7F) {
      out += fmt::format("\\x{:02x}", byte);
    } else {
      out += c;
    }
  }
  return out + (text.size() > kShown ? "...`" : "`");
}

std::string describe(const DocumentNode& node) {
  switch (node.kind) {
    case Kind::kNull:
      return "nothing";
    case Kind::kBool:
    case Kind::kInteger:
    case Kind::kReal:
      return backquoted(node.text);
    case Kind::kString:
      return "the string " + backquoted(node.text);
    case Kind::kList:
      return fmt::format("a list of {}", node.items.size());
    case Kind::kMap:
      return "a map";
  }
  return "?";
}

std::string join_names(const std::vector<std::string>& names) {
  constexpr size_t kShown = 40;
  std::string out;
  for (size_t i = 0; i < std::min(names.size(), kShown); ++i) out += (i == 0 ? "" : ", ") + names[i];
  if (names.size() > kShown) out += fmt::format(", and {} more", names.size() - kShown);
  return out;
}

std::string suggestion(std::string_view word, const std::vector<std::string>& known) {
  if (known.empty()) return "";
  const std::string best = nearest(word, known);
  return (best.empty() ? "" : fmt::format("did you mean {}? ", backquoted(best))) +
         "known: " + join_names(known);
}

std::string nearest(std::string_view word, const std::vector<std::string>& candidates) {
  constexpr size_t kMaxLength = 200;  // longer words are no typing errors, and the distance is quadratic
  if (word.empty() || word.size() > kMaxLength) return "";
  std::string best;
  size_t best_distance = std::max<size_t>(2, word.size() / 3) + 1;
  for (const std::string& candidate : candidates) {
    if (candidate.size() > kMaxLength) continue;
    size_t distance = edit_distance(word, candidate);
    // A key typed without its unit ("bandwidth" for "bandwidth_bytes_per_s") is near too.
    if (word.size() >= 3 && candidate.size() > word.size()) {
      distance = std::min(distance, edit_distance(word, candidate.substr(0, word.size())) + 1);
    }
    if (distance < best_distance && distance < std::max<size_t>(word.size(), 2)) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

}  // namespace rdusim
