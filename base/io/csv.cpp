// RFC 4180 CSV: quoted cells may hold commas, quotes ("" for one) and line ends; rows end with LF or CRLF.
#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/io/document_scalars.h"
#include "base/io/file.h"

namespace rdusim {
namespace {

class Reader {
 public:
  Reader(std::string_view text, const std::string& file_name) : text_(text), file_name_(file_name) {
    if (text_.starts_with("\xEF\xBB\xBF")) at_ = line_start_ = 3;  // byte order mark
  }

  [[nodiscard]] bool at_end() const { return at_ >= text_.size(); }

  // The next row; its cells are empty for a blank line.
  Result<CsvRow> row() {
    CsvRow row;
    row.line = line_;
    if (take_line_end()) return row;
    while (true) {
      RDU_ASSIGN(std::string cell, this->cell());
      row.cells.push_back(std::move(cell));
      if (at_end() || take_line_end()) return row;
      ++at_;  // the comma: cell() stops only at a comma, a line end or the end
    }
  }

 private:
  [[nodiscard]] Error error(size_t at, std::string what, std::string hint) const {
    return Error{ErrorCode::kInvalidInput, fmt::format("{}:{}:{}", file_name_, line_, at - line_start_ + 1),
                 std::move(what), std::move(hint)};
  }
  [[nodiscard]] bool at_line_end() const {
    return text_[at_] == '\n' || (text_[at_] == '\r' && at_ + 1 < text_.size() && text_[at_ + 1] == '\n');
  }
  bool take_line_end() {
    if (at_end() || !at_line_end()) return false;
    at_ += text_[at_] == '\r' ? 2 : 1;
    start_line();
    return true;
  }
  void start_line() {
    ++line_;
    line_start_ = at_;
  }
  Result<std::string> cell() {
    if (!at_end() && text_[at_] == '"') return quoted_cell();
    const size_t start = at_;
    while (!at_end() && text_[at_] != ',' && !at_line_end()) {
      if (text_[at_] == '"') {
        return error(at_, "a quote inside an unquoted cell",
                     "quote the whole cell and double the quotes in it");
      }
      ++at_;
    }
    return std::string(text_.substr(start, at_ - start));
  }
  Result<std::string> quoted_cell() {
    const Error unclosed = error(at_, "this quote is never closed", "close the cell with a quote");
    std::string cell;
    for (++at_; !at_end(); ++at_) {
      const char c = text_[at_];
      if (c == '"') {
        const bool doubled = at_ + 1 < text_.size() && text_[at_ + 1] == '"';
        if (!doubled) return after_quote(std::move(cell));
        ++at_;
      }
      cell += c;
      if (c == '\n') {
        ++line_;
        line_start_ = at_ + 1;
      }
    }
    return unclosed;
  }
  Result<std::string> after_quote(std::string cell) {
    ++at_;
    if (at_end() || text_[at_] == ',' || at_line_end()) return cell;
    return error(at_, "text after the closing quote of a cell", "double the quotes that belong to the cell");
  }

  std::string_view text_;
  const std::string& file_name_;
  size_t at_ = 0;
  int64_t line_ = 1;
  size_t line_start_ = 0;
};

Status check_header(const CsvTable& table, int64_t line) {
  std::vector<std::string> names = table.header;
  std::sort(names.begin(), names.end());
  const auto twice = std::adjacent_find(names.begin(), names.end());
  if (twice == names.end()) return {};
  return Error{ErrorCode::kInvalidInput, fmt::format("{}:{}", table.path, line),
               fmt::format("column {} stands twice in the header", backquoted(*twice)), ""};
}

}  // namespace

Result<size_t> CsvTable::column(std::string_view name) const {
  const auto found = std::find(header.begin(), header.end(), name);
  if (found != header.end()) return static_cast<size_t>(found - header.begin());
  return Error{ErrorCode::kNotFound, path, fmt::format("no column {}", backquoted(name)),
               suggestion(name, header)};
}

Result<CsvTable> parse_csv(std::string_view text, const std::string& file_name) {
  CsvTable table;
  table.path = file_name;
  Reader reader(text, file_name);
  while (!reader.at_end()) {
    RDU_ASSIGN(CsvRow row, reader.row());
    if (row.cells.empty()) continue;
    if (table.header.empty()) {
      table.header = std::move(row.cells);
      RDU_CHECK_OK(check_header(table, row.line));
      continue;
    }
    if (row.cells.size() != table.header.size()) {
      return Error{
          ErrorCode::kInvalidInput, fmt::format("{}:{}", file_name, row.line),
          fmt::format("expected {} cells as in the header, found {}", table.header.size(), row.cells.size()),
          "columns: " + join_names(table.header)};
    }
    table.rows.push_back(std::move(row));
  }
  if (table.header.empty()) return Error{ErrorCode::kInvalidInput, file_name + ":1", "no header row", ""};
  return table;
}

}  // namespace rdusim
