#include "report/table.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>

namespace rdusim::report {
namespace {

// Code points, which is as wide as a terminal prints the characters that we use.
size_t width_of(std::string_view text) {
  return static_cast<size_t>(std::count_if(
      text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

constexpr size_t kLongText = 40;  // code points: no number, and on a page it wraps

bool looks_numeric(std::string_view text) {
  if (text.empty() || text == "–") return true;
  if (width_of(text) > kLongText) return false;
  const size_t at = text[0] == '-' || text[0] == '+' ? 1 : 0;
  return at < text.size() && text[at] >= '0' && text[at] <= '9';
}

// A column is numeric when more than half of the cells below its header look so: a word among numbers does
// not turn it.
std::vector<bool> numeric_columns(const Table& table) {
  std::vector<bool> numeric(table.header.size());
  for (size_t c = 0; c < numeric.size(); ++c) {
    const auto count = std::count_if(table.rows.begin(), table.rows.end(), [c](const auto& row) {
      return c >= row.size() || looks_numeric(row[c]);
    });
    numeric[c] = 2 * static_cast<size_t>(count) > table.rows.size();
  }
  return numeric;
}

void append_line(std::string& text, const std::vector<std::string>& cells, const std::vector<size_t>& widths,
                 const std::vector<bool>& numeric) {
  std::string line;
  for (size_t c = 0; c < widths.size(); ++c) {
    const std::string cell = c < cells.size() ? cells[c] : std::string();
    const std::string space(widths[c] - width_of(cell), ' ');
    if (c > 0) line += "  ";
    line += numeric[c] ? space + cell : cell + space;
  }
  line.erase(line.find_last_not_of(' ') + 1);
  text += line + "\n";
}

void append_html_row(std::string& html, const std::vector<std::string>& cells, std::string_view tag,
                     const std::vector<bool>& numeric) {
  html += "<tr>";
  for (size_t c = 0; c < numeric.size(); ++c) {
    const std::string cell = c < cells.size() ? cells[c] : std::string();
    const char* css = numeric[c] ? " class=\"n\"" : width_of(cell) > kLongText ? " class=\"t\"" : "";
    html += fmt::format("<{}{}>{}</{}>", tag, css, escape_html(cell), tag);
  }
  html += "</tr>\n";
}

}  // namespace

std::string table_text(const Table& table) {
  if (table.header.empty()) return {};
  std::vector<size_t> widths(table.header.size());
  for (size_t c = 0; c < widths.size(); ++c) {
    widths[c] = width_of(table.header[c]);
    for (const auto& row : table.rows) {
      if (c < row.size()) widths[c] = std::max(widths[c], width_of(row[c]));
    }
  }
  const auto numeric = numeric_columns(table);
  std::string text;
  append_line(text, table.header, widths, numeric);
  for (const auto& row : table.rows) append_line(text, row, widths, numeric);
  return text;
}

std::string csv_line(const std::vector<std::string>& cells) {
  std::string line;
  for (size_t c = 0; c < cells.size(); ++c) {
    if (c > 0) line += ',';
    if (cells[c].find_first_of(",\"\n\r") == std::string::npos) {
      line += cells[c];
      continue;
    }
    line += '"';
    for (const char letter : cells[c]) line += letter == '"' ? std::string("\"\"") : std::string(1, letter);
    line += '"';
  }
  return line + "\n";
}

std::string table_csv(const Table& table) {
  std::string text = csv_line(table.header);
  for (const auto& row : table.rows) text += csv_line(row);
  return text;
}

std::string table_html(const Table& table) {
  const auto numeric = numeric_columns(table);
  std::string html = "<div class=\"scroll\"><table>\n<thead>";
  append_html_row(html, table.header, "th", numeric);
  html += "</thead>\n<tbody>\n";
  for (const auto& row : table.rows) append_html_row(html, row, "td", numeric);
  return html + "</tbody></table></div>\n";
}

namespace {

// Length of the UTF-8 character at `at`; 0 when there is none.
size_t character_length(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(at);
  size_t length = 1;
  if (first >= 0x80) {
    if (first >= 0xC2 && first <= 0xDF)
      length = 2;
    else if (first >= 0xE0 && first <= 0xEF)
      length = 3;
    else if (first >= 0xF0 && first <= 0xF4)
      length = 4;
    else
      return 0;
  }
  if (at + length > text.size()) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(at + i) & 0xC0U) != 0x80U) return 0;
  }
  if (first == 0xE0 && byte(at + 1) < 0xA0) return 0;  // could be written shorter
  if (first == 0xED && byte(at + 1) > 0x9F) return 0;  // surrogates
  if (first == 0xF0 && byte(at + 1) < 0x90) return 0;
  if (first == 0xF4 && byte(at + 1) > 0x8F) return 0;  // beyond U+10FFFF
  return length;
}

std::string_view reference(char letter) {
  switch (letter) {
    case '&':
      return "&amp;";
    case '<':
      return "&lt;";
    case '>':
      return "&gt;";
    case '"':
      return "&quot;";
    case '\'':
      return "&#39;";
    default:
      return {};
  }
}

}  // namespace

std::string escape_html(std::string_view text) {
  constexpr std::string_view kReplacement = "\xEF\xBF\xBD";
  std::string escaped;
  for (size_t at = 0; at < text.size();) {
    const size_t length = character_length(text, at);
    const char letter = text[at];
    const bool control = letter == 0x7f || (letter >= 0 && letter < 0x20 && letter != '\n' && letter != '\t');
    if (length == 0 || control) {
      escaped += kReplacement;
    } else if (const auto named = reference(letter); !named.empty()) {
      escaped += named;
    } else {
      escaped += text.substr(at, length);
    }
    at += length == 0 ? 1 : length;
  }
  return escaped;
}

}  // namespace rdusim::report
