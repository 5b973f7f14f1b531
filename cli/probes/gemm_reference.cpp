#include "cli/probes/gemm_reference.h"

#include <fmt/format.h>

#include <charconv>

#include "base/io/file.h"

namespace rdusim::cli {

namespace {

class Row {
 public:
  Row(const CsvTable& table, const CsvRow& row) : table_(table), row_(row) {}
  [[nodiscard]] Result<std::string> text(std::string_view column) const {
    RDU_ASSIGN(const size_t at, table_.column(column));
    return row_.cells[at];
  }
  [[nodiscard]] Result<int64_t> size(std::string_view column) const {
    RDU_ASSIGN(const std::string cell, text(column));
    int64_t value = 0;
    const auto [end, error] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
    if (error == std::errc{} && end == cell.data() + cell.size() && value >= 1) return value;
    return Error{ErrorCode::kInvalidInput, fmt::format("{}:{}", table_.path, row_.line),
                 fmt::format("`{}` in column `{}` is not a whole number above 0", cell, column), ""};
  }

 private:
  const CsvTable& table_;
  const CsvRow& row_;
};

Result<GemmReferenceRow> parse_row(const Row& row) {
  GemmReferenceRow r;
  RDU_ASSIGN(const std::string simulator, row.text("simulator"));
  RDU_ASSIGN(const std::string version, row.text("version"));
  r.simulator = simulator + " " + version;
  RDU_ASSIGN(r.dataflow, row.text("dataflow"));
  RDU_ASSIGN(r.rows, row.size("array_rows"));
  RDU_ASSIGN(r.columns, row.size("array_cols"));
  RDU_ASSIGN(r.shape.m, row.size("M"));
  RDU_ASSIGN(r.shape.k, row.size("K"));
  RDU_ASSIGN(r.shape.n, row.size("N"));
  RDU_ASSIGN(r.compute_cycles, row.size("compute_cycles"));
  return r;
}

}  // namespace

sim::Dataflow dataflow_of(const std::string& name) {
  for (const auto d : {sim::Dataflow::kWeightStationary, sim::Dataflow::kInputStationary}) {
    if (sim::dataflow_name(d) == name) return d;
  }
  return sim::Dataflow::kOutputStationary;
}

sim::SystolicArray GemmReferenceRow::array() const {
  sim::SystolicArray array;
  array.rows = rows;
  array.columns = columns;
  array.dataflow = dataflow_of(dataflow);
  return array;
}

Result<std::vector<GemmReferenceRow>> read_gemm_reference(Session& session, const std::string& path) {
  RDU_ASSIGN(const std::string text, read_text_file(path));
  RDU_CHECK_OK(session.record_file(path));
  RDU_ASSIGN(const CsvTable table, parse_csv(text, path));
  std::vector<GemmReferenceRow> rows;
  for (const CsvRow& cells : table.rows) {
    const Row row(table, cells);
    RDU_ASSIGN(const std::string mode, row.text("bandwidth_mode"));
    if (mode != "CALC") continue;
    RDU_ASSIGN(GemmReferenceRow parsed, parse_row(row));
    if (parsed.dataflow != "os" && parsed.dataflow != "ws" && parsed.dataflow != "is") {
      return Error{ErrorCode::kInvalidInput, fmt::format("{}:{}", path, cells.line),
                   fmt::format("dataflow `{}` is not known", parsed.dataflow), "os, ws or is"};
    }
    rows.push_back(std::move(parsed));
  }
  if (rows.empty()) {
    return Error{ErrorCode::kInvalidInput, path, "no row with bandwidth_mode CALC", ""};
  }
  return rows;
}

}  // namespace rdusim::cli
