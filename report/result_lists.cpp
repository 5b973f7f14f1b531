#include "report/result_lists.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "report/format.h"
#include "report/table.h"

namespace rdusim::report {
namespace {

bool is_scalar(const DocumentNode& node) {
  using Kind = DocumentNode::Kind;
  return node.kind == Kind::kBool || node.kind == Kind::kInteger || node.kind == Kind::kReal ||
         node.kind == Kind::kString;
}

void collect(const DocumentNode& node, const std::string& prefix, CsvTable& table, CsvRow& row) {
  for (const auto& [name, member] : node.members) {
    const std::string full = prefix.empty() ? name : prefix + "." + name;
    if (member.kind == DocumentNode::Kind::kMap) collect(member, full, table, row);
    if (!is_scalar(member)) continue;
    const auto at = std::find(table.header.begin(), table.header.end(), full);
    const auto column = static_cast<size_t>(at - table.header.begin());
    if (at == table.header.end()) table.header.push_back(full);
    if (row.cells.size() <= column) row.cells.resize(column + 1);
    row.cells[column] = member.text;
  }
}

}  // namespace

CsvTable list_table(const DocumentNode& list) {
  CsvTable table;
  for (const DocumentNode& item : list.items) {
    CsvRow row;
    collect(item, "", table, row);
    table.rows.push_back(std::move(row));
  }
  for (CsvRow& row : table.rows) row.cells.resize(table.header.size());
  return table;
}

bool is_list_of_rows(const DocumentNode& node) {
  return node.kind == DocumentNode::Kind::kList && !node.items.empty() &&
         node.items.front().kind == DocumentNode::Kind::kMap;
}

std::string readable(const std::string& name, const std::string& cell) {
  double value = 0;
  const auto [end, error] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
  if (error != std::errc() || end != cell.data() + cell.size() || !std::isfinite(value)) return cell;
  const auto ends = [&](const char* unit) { return name.ends_with(unit); };
  if (ends("bytes_per_s")) return format_bandwidth(value);
  if (ends("flops_per_s")) return format_flops(value) + "/s";
  if (ends("_per_s") || ends("_per_cycle")) return format_number(value);
  if (ends("_ns")) return format_time(value * 1e-9);
  if (ends("_s") || name == "seconds") return format_time(value);
  if (ends("bytes")) return format_bytes(value);
  if (ends("percent")) return format_number(value) + " %";
  return format_amount(value);
}

Figure rows_figure(std::string sentence, const CsvTable& table, const std::string& file) {
  Table text{table.header, {}};
  for (const CsvRow& row : table.rows) {
    std::vector<std::string> cells;
    for (size_t c = 0; c < row.cells.size(); ++c) cells.push_back(readable(table.header[c], row.cells[c]));
    text.add(std::move(cells));
  }
  return table_figure(std::move(sentence), text, file);
}

}  // namespace rdusim::report
