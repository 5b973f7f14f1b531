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

bool looks_numeric(std::string_view text) {
  if (text.empty() || text == "–") return true;
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
    html += fmt::format("<{}{}>{}</{}>", tag, numeric[c] ? " class=\"n\"" : "",
                        c < cells.size() ? escape_html(cells[c]) : "", tag);
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

std::string escape_html(std::string_view text) {
  std::string escaped;
  for (const char letter : text) {
    switch (letter) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      case '\'':
        escaped += "&#39;";
        break;
      default:
        escaped += letter;
    }
  }
  return escaped;
}

}  // namespace rdusim::report
