#include "cli/validate/output.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

namespace rdusim::cli {
namespace {

std::vector<std::string> cells(const ValidationRow& row) {
  return {row.group,
          row.what,
          published_text(row.published),
          fmt::format("{:.4g}", row.simulated),
          row.unit,
          fmt::format("{:+.1f}", row.error_percent()),
          row.judged() ? fmt::format("{:.3g}", *row.tolerance_percent) : "-",
          !row.judged()  ? "shown only"
          : row.passed() ? "pass"
                         : "FALLS SHORT"};
}

report::Json end_json(double end) {
  return std::isfinite(end) ? report::Json(end) : report::Json(nullptr);
}

report::Json row_json(const ValidationRow& row) {
  report::Json json{{"id", row.id},
                    {"group", row.group},
                    {"what", row.what},
                    {"source", row.source},
                    {"published", row.published.nearest(row.simulated)}};
  if (row.published.is_range())
    json["published_range"] = {end_json(row.published.low), end_json(row.published.high)};
  json["simulated"] = row.simulated;
  json["unit"] = row.unit;
  json["error_percent"] = row.error_percent();
  json["tolerance_percent"] = row.judged() ? report::Json(*row.tolerance_percent) : report::Json(nullptr);
  json["passed"] = row.judged() ? report::Json(row.passed()) : report::Json(nullptr);
  json["command"] = row.command;
  return json;
}

// The group's rows [from, to): those that fall short, the one furthest off, and a line for the rest.
void add_summary(report::Table& table, const ValidationRows& rows, size_t from, size_t to) {
  const ValidationRow* worst = nullptr;
  const ValidationRows group(rows.begin() + static_cast<std::ptrdiff_t>(from),
                             rows.begin() + static_cast<std::ptrdiff_t>(to));
  for (const ValidationRow& row : group) {
    if (row.judged() &&
        (worst == nullptr || std::abs(row.error_percent()) > std::abs(worst->error_percent())))
      worst = &row;
  }
  int64_t shown = 0;
  for (const ValidationRow& row : group) {
    if (row.passed() && &row != worst) continue;
    table.add(cells(row));
    ++shown;
  }
  const ValidationTally sums = tally(group);
  table.add({group.front().group, fmt::format("the other {}: none further off", sums.rows - shown), "", "",
             "", "", "", fmt::format("{} of {} pass", sums.judged - sums.failed, sums.judged)});
}

}  // namespace

ValidationTally tally(const ValidationRows& rows) {
  ValidationTally sums;
  for (const ValidationRow& row : rows) {
    ++sums.rows;
    sums.judged += row.judged() ? 1 : 0;
    sums.failed += row.passed() ? 0 : 1;
  }
  return sums;
}

std::string published_text(const Published& published) {
  if (!published.is_range()) return fmt::format("{:.4g}", published.low);
  if (!std::isfinite(published.high)) return fmt::format("at least {:.4g}", published.low);
  if (!std::isfinite(published.low)) return fmt::format("at most {:.4g}", published.high);
  return fmt::format("{:.4g} to {:.4g}", published.low, published.high);
}

report::Table validation_table(const ValidationRows& rows, size_t most) {
  report::Table table{{"group", "what", "published", "ours", "unit", "error %", "allowed %", ""}, {}};
  for (size_t from = 0; from < rows.size();) {
    size_t to = from;
    while (to < rows.size() && rows[to].group == rows[from].group) ++to;
    if (most > 0 && to - from > most) {
      add_summary(table, rows, from, to);
    } else {
      for (size_t i = from; i < to; ++i) table.add(cells(rows[i]));
    }
    from = to;
  }
  return table;
}

report::Json rows_json(const ValidationRows& rows) {
  report::Json json = report::Json::array();
  for (const ValidationRow& row : rows) json.push_back(row_json(row));
  return json;
}

report::Json points_json(const std::vector<PointResult>& points) {
  report::Json rows = report::Json::array();
  for (const PointResult& point : points) {
    const bool known = point.failure.empty();
    rows.push_back({{"model", point.model},
                    {"input_and_output_tokens", point.tokens},
                    {"batch", point.batch},
                    {"published_s", point.published_s},
                    {"simulated_s", known ? report::Json(point.simulated_s) : report::Json(nullptr)},
                    {"error_percent", known ? report::Json(point.error_percent()) : report::Json(nullptr)}});
    if (!known) rows.back()["failure"] = point.failure;
  }
  return rows;
}

report::Table points_table(const std::vector<PointResult>& points) {
  report::Table table{{"model", "tokens in and out", "batch", "published s", "ours s", "error %"}, {}};
  for (const PointResult& point : points) {
    const bool known = point.failure.empty();
    table.add({point.model, fmt::to_string(point.tokens), fmt::to_string(point.batch),
               fmt::format("{:.4f}", point.published_s),
               known ? fmt::format("{:.4f}", point.simulated_s) : "-",
               known ? fmt::format("{:+.1f}", point.error_percent()) : point.failure});
  }
  return table;
}

}  // namespace rdusim::cli
