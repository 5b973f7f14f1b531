// A table of text cells: printed with aligned columns on a terminal, as CSV, or as HTML.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace rdusim::report {

struct Table {
  std::vector<std::string> header;
  std::vector<std::vector<std::string>> rows;  // as many cells as the header; missing ones print empty

  void add(std::vector<std::string> cells) { rows.push_back(std::move(cells)); }
};

// Columns padded to their widest cell (counted in code points); cells that look like numbers go to the right.
// Ends with a newline; empty for a table without header.
std::string table_text(const Table& table);
// RFC 4180: cells with commas, quotes or line ends are quoted; lines end with \n.
std::string table_csv(const Table& table);
std::string csv_line(const std::vector<std::string>& cells);
std::string table_html(const Table& table);

// &, <, >, " and ' as character references; control characters and what is not UTF-8 as U+FFFD.
std::string escape_html(std::string_view text);

}  // namespace rdusim::report
