// Our DRAM model beside the rows of public cycle-level simulators. Allowed: 5 % of the bandwidth of
// sequential patterns, 10 % of others, 5 % of the latency of an idle device; no row has settings of its own.
#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/io/file.h"
#include "cli/probes/memory_probe.h"
#include "report/table.h"

namespace rdusim::cli {
namespace {

struct Row {
  std::map<std::string, std::string> cells;
  [[nodiscard]] const std::string& at(const std::string& column) const { return cells.at(column); }
  [[nodiscard]] std::optional<double> number(const std::string& column) const {
    const std::string& text = at(column);
    if (text.empty()) return std::nullopt;
    char* end = nullptr;
    const double value = std::strtod(text.c_str(), &end);
    if (*end != '\0') return std::nullopt;
    return value;
  }
};

constexpr const char* kColumns[] = {
    "dram",           "config",        "channels_simulated",
    "tx_bytes",       "read_queue",    "peak_GBps_simulated",
    "write_queue",    "refresh",       "address_mapping",
    "scheduler",      "row_policy",    "window_bytes_per_channel",
    "pattern",        "direction",     "granule_bytes",
    "n_transactions", "achieved_GBps", "avg_read_latency_ns_incl_source_queue"};

Result<std::vector<Row>> read_rows(const std::string& path) {
  RDU_ASSIGN(const std::string text, read_text_file(path));
  RDU_ASSIGN(const CsvTable table, parse_csv(text, path));
  std::vector<Row> rows(table.rows.size());
  for (const char* name : kColumns) {
    RDU_ASSIGN(const size_t column, table.column(name));
    for (size_t r = 0; r < rows.size(); ++r) rows[r].cells[name] = table.rows[r].cells[column];
  }
  // Only for people: a table of one's own may do without.
  for (const char* name : {"simulator", "version"}) {
    const auto column = table.column(name);
    for (size_t r = 0; r < rows.size(); ++r)
      rows[r].cells[name] = column.ok() ? table.rows[r].cells[*column] : "";
  }
  return rows;
}

std::optional<int64_t> whole(const Row& row, const std::string& column) {
  const auto value = row.number(column);
  if (!value) return std::nullopt;
  return static_cast<int64_t>(*value);
}

MemoryProbeOptions options_of(const Row& row) {
  MemoryProbeOptions options;
  options.pattern = row.at("pattern");
  options.direction = row.at("direction");
  options.granule_bytes = whole(row, "granule_bytes");
  options.window_bytes = whole(row, "window_bytes_per_channel");
  options.channels = whole(row, "channels_simulated");
  options.read_queue = whole(row, "read_queue");
  options.write_queue = whole(row, "write_queue");
  options.requests = whole(row, "n_transactions").value_or(0);
  options.mapping = row.at("address_mapping");
  options.refresh = row.at("refresh");
  options.scheduler = row.at("scheduler");
  options.row_policy = row.at("row_policy");
  return options;
}

Result<MemoryProbeSetup> setup_of(Session& session, const Row& row) {
  MemoryProbeOptions options = options_of(row);
  options.memory = row.at("config");
  auto setup = memory_probe_setup(session, options);
  if (setup.ok()) return setup;
  options.memory = row.at("dram");
  return memory_probe_setup(session, options);
}

Result<DramComparison> compare(Session& session, const Row& row) {
  DramComparison c{row.at("simulator") + " " + row.at("version"),
                   row.at("dram"),
                   row.at("pattern"),
                   row.at("refresh"),
                   "",
                   0,
                   0,
                   0,
                   0,
                   0,
                   false};
  auto setup = setup_of(session, row);
  if (!setup.ok()) {
    c.skipped = setup.error().what;
    return c;
  }
  const double peak = row.number("peak_GBps_simulated").value_or(0) * 1e9;
  if (whole(row, "tx_bytes") != setup->spec.organisation.burst_bytes ||
      std::abs(peak / setup->spec.peak_bytes_per_s() - 1) > 0.005) {
    c.skipped = "another organisation than " + setup->spec.name;
    return c;
  }
  RDU_ASSIGN(const sim::DramResult result, sim::run_dram_traffic(setup->spec, setup->traffic));
  c.theirs_bytes_per_s = row.number("achieved_GBps").value_or(0) * 1e9;
  c.ours_bytes_per_s = result.bandwidth_bytes_per_s;
  c.theirs_latency_ns = row.number("avg_read_latency_ns_incl_source_queue").value_or(0);
  c.ours_latency_ns = result.latency_ns;
  c.allowed_percent = c.pattern.starts_with("sequential") ? 5 : 10;
  c.judge_latency = c.pattern.find("idle") != std::string::npos;
  return c;
}

void add_row(report::Table& table, const DramComparison& c) {
  if (!c.skipped.empty()) {
    table.add({c.device, c.refresh, c.pattern, "-", "-", "-", "-", "-", "-", "-", c.skipped});
    return;
  }
  const bool latency = c.theirs_latency_ns > 0;
  table.add({c.device, c.refresh, c.pattern, fmt::format("{:.2f}", c.theirs_bytes_per_s * 1e-9),
             fmt::format("{:.2f}", c.ours_bytes_per_s * 1e-9), fmt::format("{:+.2f}", c.error_percent()),
             fmt::format("{:.0f}", c.allowed_percent),
             latency ? fmt::format("{:.2f}", c.theirs_latency_ns) : "-",
             latency ? fmt::format("{:.2f}", c.ours_latency_ns) : "-",
             latency ? fmt::format("{:+.2f}", c.latency_error_percent()) : "-",
             c.passed() ? "pass" : "FALLS SHORT"});
}

report::Json row_json(const DramComparison& c) {
  if (!c.skipped.empty()) return {{"device", c.device}, {"pattern", c.pattern}, {"skipped", c.skipped}};
  const bool latency = c.theirs_latency_ns > 0;
  return {
      {"device", c.device},
      {"refresh", c.refresh},
      {"pattern", c.pattern},
      {"theirs_bytes_per_s", c.theirs_bytes_per_s},
      {"ours_bytes_per_s", c.ours_bytes_per_s},
      {"error_percent", c.error_percent()},
      {"allowed_percent", c.allowed_percent},
      {"theirs_latency_ns", latency ? report::Json(c.theirs_latency_ns) : report::Json(nullptr)},
      {"ours_latency_ns", latency ? report::Json(c.ours_latency_ns) : report::Json(nullptr)},
      {"latency_error_percent", latency ? report::Json(c.latency_error_percent()) : report::Json(nullptr)},
      {"passed", c.passed()}};
}

}  // namespace

Result<std::vector<DramComparison>> dram_comparisons(Session& session, const std::string& path) {
  RDU_CHECK_OK(session.record_file(path));
  RDU_ASSIGN(const std::vector<Row> rows, read_rows(path));
  std::vector<DramComparison> comparisons;
  for (const Row& row : rows) {
    RDU_ASSIGN(DramComparison c, compare(session, row));
    comparisons.push_back(std::move(c));
  }
  return comparisons;
}

Result<int> compare_with_dram_reference(Session& session, const std::string& path) {
  RDU_ASSIGN(const auto rows, dram_comparisons(session, path));
  report::Table table{{"device", "refresh", "pattern", "theirs GB/s", "ours GB/s", "error %", "allowed %",
                       "theirs ns", "ours ns", "error %", ""},
                      {}};
  report::Json json = report::Json::array();
  int64_t judged = 0;
  int64_t failed = 0;
  double worst = 0;
  double worst_latency = 0;
  for (const DramComparison& c : rows) {
    add_row(table, c);
    json.push_back(row_json(c));
    if (!c.skipped.empty()) continue;
    ++judged;
    failed += c.passed() ? 0 : 1;
    worst = std::max(worst, std::abs(c.error_percent()));
    worst_latency = std::max(worst_latency, std::abs(c.latency_error_percent()));
  }
  session.print(report::table_text(table));
  session.print(fmt::format(
      "\n{} of {} rows pass, {} not comparable; largest error of bandwidth {:.2f} %, of latency {:.2f} %\n",
      judged - failed, judged, static_cast<int64_t>(rows.size()) - judged, worst, worst_latency));
  RDU_CHECK_OK(session.write_json({{"rows", std::move(json)},
                                   {"judged", judged},
                                   {"failed", failed},
                                   {"largest_error_percent", worst},
                                   {"largest_latency_error_percent", worst_latency}}));
  return judged > 0 && failed == 0 ? kExitOk : kExitFellShort;
}

}  // namespace rdusim::cli
