// Group coe-table-5: speed-ups of an SN40L node over DGX nodes, Samba-CoE with tensor parallelism over 8 (P
// Table V). Allowed: 10 % each; the ratios are printed with two digits, which is 2 to 4 % of them.
#include <fmt/format.h>

#include <charconv>
#include <map>

#include "base/io/file.h"
#include "cli/validate/coe_serving.h"
#include "cli/validate/groups.h"

namespace rdusim::cli {
namespace {

constexpr double kTolerancePercent = 10;

Result<double> number(const CsvTable& table, const CsvRow& row, const char* column) {
  RDU_ASSIGN(const size_t at, table.column(column));
  const std::string& text = row.cells[at];
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc() && end == text.data() + text.size()) return value;
  return Error{ErrorCode::kInvalidInput, fmt::format("{}:{}:1", table.path, row.line),
               fmt::format("{} is '{}'", column, text), ""};
}

}  // namespace

Result<ValidationRows> coe_table5_rows(ValidationContext& context) {
  const std::string path = context.session.config.config_dir + "/published/coe_table5.csv";
  RDU_ASSIGN(const std::string text, read_text_file(path));
  RDU_CHECK_OK(context.session.record_file(path));
  RDU_ASSIGN(const CsvTable table, parse_csv(text, path));
  RDU_ASSIGN(const size_t part, table.column("part"));
  RDU_ASSIGN(const size_t versus, table.column("versus"));
  std::map<std::pair<int64_t, int64_t>, Serving> runs;
  ValidationRows rows;
  for (const CsvRow& row : table.rows) {
    RDU_ASSIGN(const double batch, number(table, row, "batch"));
    RDU_ASSIGN(const double output_tokens, number(table, row, "output_tokens"));
    RDU_ASSIGN(const double published, number(table, row, "speedup"));
    const std::pair key{static_cast<int64_t>(batch), static_cast<int64_t>(output_tokens)};
    const ServingChoice choice = table5_choice(key.first, key.second);
    if (!runs.contains(key)) {
      RDU_ASSIGN(auto serving, serve_experts(context, kTable5Experts, choice));
      runs.emplace(key, std::move(serving));
    }
    RDU_ASSIGN(const auto* ours, served_node(runs.at(key), choice.node));
    RDU_ASSIGN(const auto* theirs, served_node(runs.at(key), row.cells[versus]));
    const double ratio = seconds_of(*theirs, row.cells[part]) / seconds_of(*ours, row.cells[part]);
    const std::string what =
        fmt::format("{} BS={} {} tokens vs {}", row.cells[part], key.first, key.second, row.cells[versus]);
    rows.push_back({row_id(what), what, "P Table V", Published::exactly(published), ratio, "x",
                    kTolerancePercent, serve_command(kTable5Experts, choice), ""});
  }
  return rows;
}

}  // namespace rdusim::cli
