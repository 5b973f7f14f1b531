// rdusim probe mesh --reference: the series of another simulator, row by row, beside ours.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

#include "base/io/document.h"
#include "base/io/file.h"
#include "cli/probes/mesh_options.h"
#include "cli/probes/mesh_reference.h"
#include "report/table.h"

namespace rdusim::cli {
namespace {

using sim::noc::MeasureRules;
using sim::noc::MeshLoad;
using sim::noc::MeshSpec;

// Cells of a row by column name.
class Row {
 public:
  Row(const CsvTable& table, const CsvRow& row) : table_(table), row_(row) {}
  [[nodiscard]] Result<std::string> text(const char* column) const {
    RDU_ASSIGN(const size_t at, table_.column(column));
    return row_.cells[at];
  }
  [[nodiscard]] Result<double> number(const char* column) const {
    RDU_ASSIGN(const std::string cell, text(column));
    char* end = nullptr;
    const double value = std::strtod(cell.c_str(), &end);
    if (!cell.empty() && *end == 0) return value;
    return Error{ErrorCode::kInvalidInput, fmt::format("{}:{}", table_.path, row_.line),
                 fmt::format("{} is '{}', not a number", column, cell), ""};
  }
  [[nodiscard]] Result<int64_t> integer(const char* column) const {
    RDU_ASSIGN(const double value, number(column));
    if (std::abs(value) <= 1e9 && value == std::floor(value)) return static_cast<int64_t>(value);
    return Error{ErrorCode::kInvalidInput, fmt::format("{}:{}", table_.path, row_.line),
                 fmt::format("{} is {}, not a whole number below 1e9", column, value), ""};
  }

 private:
  const CsvTable& table_;
  const CsvRow& row_;
};

Result<MeshSeries> series_of(const Row& row, const std::string& where) {
  MeshSeries s;
  RDU_ASSIGN(const std::string config, row.text("config_id"));
  RDU_ASSIGN(s.mesh, mesh_config(config));
  RDU_ASSIGN(s.mesh.columns, row.integer("k"));
  s.mesh.rows = s.mesh.columns;
  RDU_ASSIGN(s.mesh.virtual_channels, row.integer("num_vcs"));
  RDU_ASSIGN(s.mesh.buffer_flits, row.integer("vc_buf_size_flits"));
  RDU_ASSIGN(s.mesh.credit_delay_cycles, row.integer("credit_delay"));
  RDU_ASSIGN(s.mesh.channel_latency_cycles, row.integer("channel_latency"));
  RDU_ASSIGN(const int64_t pipeline, row.integer("router_pipeline_cycles"));
  if (pipeline != s.mesh.pipeline_cycles()) {
    return Error{ErrorCode::kInvalidInput, where,
                 fmt::format("router_pipeline_cycles is {}, config {} has {}", pipeline, config,
                             s.mesh.pipeline_cycles()),
                 ""};
  }
  RDU_ASSIGN(const std::string traffic, row.text("traffic"));
  RDU_ASSIGN(s.load.traffic, sim::noc::parse_traffic(traffic));
  RDU_ASSIGN(s.load.packet_flits, row.integer("packet_size_flits"));
  RDU_ASSIGN(s.zero_load, row.number("zero_load_latency_cycles"));
  RDU_ASSIGN(s.saturation, row.number("saturation_rate_flits_node_cycle"));
  s.name = fmt::format("{0} x {0} {1}, {2} flit{3}, {4}", s.mesh.columns, traffic, s.load.packet_flits,
                       s.load.packet_flits == 1 ? "" : "s", config);
  RDU_CHECK_OK(validate(s.mesh, where));
  return s;
}

Result<std::vector<MeshSeries>> read_series(const std::string& path) {
  RDU_ASSIGN(const std::string text, read_text_file(path));
  RDU_ASSIGN(const CsvTable table, parse_csv(text, path));
  std::vector<MeshSeries> all;
  for (const CsvRow& csv_row : table.rows) {
    const Row row(table, csv_row);
    RDU_ASSIGN(MeshSeries head, series_of(row, fmt::format("{}:{}", path, csv_row.line)));
    const auto same =
        std::find_if(all.begin(), all.end(), [&](const MeshSeries& s) { return s.name == head.name; });
    MeshSeries& series = same == all.end() ? all.emplace_back(std::move(head)) : *same;
    MeshPoint point;
    RDU_ASSIGN(point.rate, row.number("injection_rate_flits_node_cycle"));
    RDU_ASSIGN(const int64_t stable, row.integer("stable"));
    point.stable = stable != 0;
    if (point.stable) {
      RDU_ASSIGN(point.latency, row.number("avg_packet_latency_cycles"));
      RDU_ASSIGN(point.accepted, row.number("accepted_flits_node_cycle"));
    }
    series.points.push_back(point);
  }
  if (all.empty()) return Error{ErrorCode::kInvalidInput, path, "no rows", ""};
  return all;
}

Status simulate(MeshSeries& s, uint64_t seed) {
  s.load.seed = seed;
  const double bracket = s.load.traffic == sim::noc::Traffic::k_uniform ? kUniformBracket : kOtherBracket;
  RDU_ASSIGN(s.ours, find_saturation(s.mesh, s.load, {}, bracket));
  for (MeshPoint& p : s.points) {
    MeasureRules rules;
    // So few packets come at low rates that more cycles are needed for the same noise; the reference did so
    // too.
    if (p.rate <= sim::noc::kZeroLoadRate) rules.sample_cycles *= 40;
    s.load.injection_rate = p.rate;
    RDU_ASSIGN(const auto m, measure(s.mesh, s.load, rules));
    p.ours = m.mean_latency_cycles;
    p.our_accepted = m.accepted_flits_per_node_cycle;
  }
  return {};
}

report::Json series_json(const MeshSeries& s) {
  report::Json points = report::Json::array();
  for (const MeshPoint& p : s.points) {
    points.push_back(
        {{"injection_rate", p.rate},
         {"judged", s.judged(p)},
         {"reference_stable", p.stable},
         {"reference_latency_cycles", p.stable ? report::Json(p.latency) : report::Json(nullptr)},
         {"mean_latency_cycles", p.ours},
         {"reference_accepted", p.stable ? report::Json(p.accepted) : report::Json(nullptr)},
         {"accepted_flits_per_node_cycle", p.our_accepted}});
  }
  return {{"series", s.name},
          {"reference_zero_load_cycles", s.zero_load},
          {"zero_load_cycles", s.ours.zero_load_latency_cycles},
          {"zero_load_error_percent", 100 * s.zero_load_error()},
          {"worst_latency_error_percent", 100 * s.latency_error()},
          {"reference_saturation", s.saturation},
          {"saturation", s.ours.rate},
          {"saturation_error_percent", 100 * s.saturation_error()},
          {"passed", s.passed()},
          {"points", std::move(points)}};
}

}  // namespace

Result<std::vector<MeshSeries>> mesh_comparisons(Session& session, const std::string& path) {
  RDU_ASSIGN(auto all, read_series(path));
  RDU_CHECK_OK(session.record_file(path));
  for (MeshSeries& s : all) RDU_CHECK_OK(simulate(s, session.seed));
  return all;
}

Result<int> compare_with_reference(Session& session, const std::string& path) {
  RDU_ASSIGN(const auto all, mesh_comparisons(session, path));
  report::Table table{{"series", "zero load", "ours", "error %", "points", "worst latency error %",
                       "saturation", "ours", "error %", ""},
                      {}};
  report::Json rows = report::Json::array();
  int64_t failed = 0;
  for (const MeshSeries& s : all) {
    const auto judged =
        std::count_if(s.points.begin(), s.points.end(), [&](const MeshPoint& p) { return s.judged(p); });
    table.add({s.name, fmt::format("{:.2f}", s.zero_load),
               fmt::format("{:.2f}", s.ours.zero_load_latency_cycles),
               fmt::format("{:+.2f}", 100 * s.zero_load_error()), fmt::format("{}", judged),
               fmt::format("{:+.2f}", 100 * s.latency_error()), fmt::format("{:.4f}", s.saturation),
               fmt::format("{:.4f}", s.ours.rate), fmt::format("{:+.2f}", 100 * s.saturation_error()),
               s.passed() ? "ok" : "SHORT"});
    rows.push_back(series_json(s));
    failed += s.passed() ? 0 : 1;
  }
  session.print(report::table_text(table));
  session.print(fmt::format(
      "\nallowed: zero load {:.0f} %, latency {:.0f} % below {:.0f} % of saturation, saturation {:.0f} %; "
      "{} of {} series within\n",
      100 * kZeroLoadTolerance, 100 * kLatencyTolerance, 100 * kJudgedShare, 100 * kSaturationTolerance,
      static_cast<int64_t>(all.size()) - failed, all.size()));
  RDU_CHECK_OK(session.write_json({{"reference", path}, {"series", std::move(rows)}, {"failed", failed}}));
  return failed == 0 ? kExitOk : kExitFellShort;
}

}  // namespace rdusim::cli
