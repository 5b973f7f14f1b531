// Our own CSV of requests. Columns: arrival_s, and any of tenant, prompt_tokens, text, output_tokens, label,
// expert. An empty cell means "not given": prompt tokens then follow from the text, else from the
// composition, as do output tokens.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/io/file.h"
#include "runtime/workload/reader.h"

namespace rdusim::runtime {
namespace {

constexpr std::array<std::string_view, 7> kColumns = {"arrival_s",     "tenant", "prompt_tokens", "text",
                                                      "output_tokens", "label",  "expert"};

struct RowReader {
  const CsvTable& table;
  const CsvRow& row;
  std::array<std::optional<size_t>, kColumns.size()> column;

  [[nodiscard]] std::string text(size_t c) const { return column[c] ? row.cells[*column[c]] : std::string(); }
  [[nodiscard]] std::string where(size_t c) const {
    return fmt::format("{}:{}:{}", table.path, row.line, column[c] ? *column[c] + 1 : 1);
  }
  [[nodiscard]] Result<int64_t> tokens(size_t c, int64_t otherwise) const {
    const std::string cell = text(c);
    if (cell.empty()) return otherwise;
    return parse_tokens(cell, where(c), kColumns[c]);
  }
};

Status check_header(const CsvTable& table) {
  for (size_t i = 0; i < table.header.size(); ++i) {
    if (std::find(kColumns.begin(), kColumns.end(), table.header[i]) != kColumns.end()) continue;
    const std::string near = nearest(table.header[i], {kColumns.begin(), kColumns.end()});
    return Error{
        ErrorCode::kInvalidInput, fmt::format("{}:1:{}", table.path, i + 1),
        fmt::format("unknown column '{}'", table.header[i]),
        fmt::format("{}known columns: {}", near.empty() ? "" : fmt::format("did you mean '{}'? ", near),
                    fmt::join(kColumns, ", "))};
  }
  return {};
}

}  // namespace

bool recognises_requests_csv(std::string_view first_line) {
  return !first_line.starts_with('{') && first_line.find("arrival_s") != std::string_view::npos;
}

Result<Workload> read_requests_csv(std::string_view text, const std::string& path,
                                   const WorkloadOptions& options) {
  RDU_ASSIGN(const CsvTable table, parse_csv(text, path));
  RDU_CHECK_OK(check_header(table));
  WorkloadBuilder builder(path, "requests-csv");
  for (const CsvRow& row : table.rows) {
    RowReader reader{table, row, {}};
    for (size_t c = 0; c < kColumns.size(); ++c) {
      const auto found = std::find(table.header.begin(), table.header.end(), kColumns[c]);
      if (found != table.header.end()) reader.column[c] = static_cast<size_t>(found - table.header.begin());
    }
    Request request;
    RequestNotes notes{reader.text(3), reader.text(5), reader.text(6), {}};
    RDU_ASSIGN(request.arrival, parse_arrival(reader.text(0), reader.where(0)));
    const int64_t prompt =
        notes.text.empty() ? options.defaults.prompt_tokens : approximate_tokens(notes.text);
    RDU_ASSIGN(request.prompt_tokens, reader.tokens(2, prompt));
    RDU_ASSIGN(request.output_tokens, reader.tokens(4, options.defaults.output_tokens));
    if (reader.column[1]) request.tenant = builder.tenant(reader.text(1));
    builder.add(request, std::move(notes));
  }
  return builder.finish("a row is arrival_s,tenant,prompt_tokens,output_tokens: 0.5,acme,128,20");
}

}  // namespace rdusim::runtime
