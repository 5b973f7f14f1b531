#include "cli/validate/output.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

#include "cli/validate/groups.h"
#include "cli/validate/markdown.h"

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

std::map<std::string, std::string> page_blocks(const ValidationRows& rows, const std::string& page) {
  constexpr size_t kMostRowsOnThePage = 40;
  std::map<std::string, std::string> blocks;
  std::string others;
  report::Table summary{{"group", "rows", "judged", "pass", "largest error of a judged row, %"}, {}};
  for (const ValidationGroup& group : validation_groups()) {
    ValidationRows own;
    std::copy_if(rows.begin(), rows.end(), std::back_inserter(own),
                 [&](const ValidationRow& row) { return row.group == group.id; });
    if (own.empty()) continue;
    double worst = 0;
    for (const ValidationRow& row : own) {
      if (row.judged() && std::abs(row.error_percent()) > std::abs(worst)) worst = row.error_percent();
    }
    const ValidationTally sums = tally(own);
    summary.add({fmt::format("{} (`{}`)", group.title, group.id), fmt::to_string(sums.rows),
                 fmt::to_string(sums.judged), fmt::to_string(sums.judged - sums.failed),
                 fmt::format("{:+.1f}", worst)});
    report::Table table = validation_table(own, kMostRowsOnThePage);
    for (size_t r = 0; r < table.rows.size(); ++r) table.rows[r].erase(table.rows[r].begin());
    table.header.erase(table.header.begin());
    const std::string name = std::string("rows ") + group.id;
    blocks[name] = markdown_table(table);
    if (page.find("<!-- rdusim: " + name + " -->") == std::string::npos)
      others += fmt::format("{}### {}\n\n{}", others.empty() ? "" : "\n", group.title, blocks[name]);
  }
  blocks["rows of other groups"] = others;
  const ValidationTally all = tally(rows);
  blocks["summary"] = markdown_table(summary) + fmt::format("\n{} rows, {} judged, {} pass.\n", all.rows,
                                                            all.judged, all.judged - all.failed);
  return blocks;
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
    const auto or_null = [](bool there, auto value) {
      return there ? report::Json(value) : report::Json(nullptr);
    };
    rows.push_back({{"model", point.model},
                    {"sockets", or_null(point.sockets > 0, point.sockets)},
                    {"input_and_output_tokens", or_null(point.tokens > 0, point.tokens)},
                    {"batch", or_null(point.batch > 0, point.batch)},
                    {"published_s", or_null(point.published_s > 0, point.published_s)},
                    {"simulated_s", or_null(known, point.simulated_s)},
                    {"error_percent", known ? report::Json(point.error_percent()) : report::Json(nullptr)}});
    if (!point.note.empty()) rows.back()["note"] = point.note;
    if (!known) rows.back()["failure"] = point.failure;
  }
  return rows;
}

report::Table points_table(const std::vector<PointResult>& points) {
  report::Table table{
      {"model", "sockets", "tokens in and out", "batch", "published s", "ours s", "error %", ""}, {}};
  for (const PointResult& point : points) {
    const bool known = point.failure.empty();
    const auto number = [](int64_t value) { return value > 0 ? fmt::to_string(value) : "-"; };
    table.add({point.model, number(point.sockets), number(point.tokens), number(point.batch),
               point.published_s > 0 ? fmt::format("{:.4f}", point.published_s) : "-",
               known ? fmt::format("{:.4f}", point.simulated_s) : "-",
               known ? fmt::format("{:+.1f}", point.error_percent()) : "-",
               known ? point.note : point.failure});
  }
  return table;
}

std::string points_summary(const std::vector<PointResult>& points) {
  std::map<int64_t, std::vector<PointResult>> by_batch;
  int64_t failed = 0;
  for (const PointResult& point : points) {
    if (point.failure.empty()) {
      by_batch[point.batch].push_back(point);
    } else {
      ++failed;
    }
  }
  std::string text;
  for (const auto& [batch, some] : by_batch) {
    double worst = 0;
    for (const PointResult& point : some) worst = std::max(worst, std::abs(point.error_percent()));
    text += fmt::format("batch {}: geometric mean error {:.2f} %, worst {:.1f} %, {} points\n", batch,
                        geometric_mean_error_percent(some), worst, some.size());
  }
  return text + fmt::format("geometric mean error over all {} points: {:.2f} %\n{}",
                            static_cast<int64_t>(points.size()) - failed,
                            geometric_mean_error_percent(points),
                            failed == 0 ? "" : fmt::format("{} rows have no time of ours\n", failed));
}

}  // namespace rdusim::cli
