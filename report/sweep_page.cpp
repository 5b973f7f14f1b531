// The page of a sweep's CSV: a chart for each column of numbers.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <set>

#include "report/charts.h"
#include "report/format.h"
#include "report/lines.h"
#include "report/result_page.h"

namespace rdusim::report {
namespace {

constexpr size_t kMostLines = 8;  // of a chart: as many colours as the page has

std::optional<double> number_of(const std::string& cell) {
  double value = 0;
  const auto [end, error] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
  if (error != std::errc() || end != cell.data() + cell.size() || !(value > -1e290 && value < 1e290))
    return {};
  return value;
}

// The unit is the end of the column's name, as everywhere in rdusim.
FormatNumber format_of(const std::string& column) {
  if (column.ends_with("bytes_per_s")) return format_bandwidth;
  if (column.ends_with("flops_per_s")) return [](double v) { return format_flops(v) + "/s"; };
  if (column.ends_with("per_s")) return format_number;
  if (column.ends_with("_s")) return format_time;
  if (column.ends_with("bytes")) return format_bytes;
  return format_number;
}

// The fewest first columns that tell all rows apart.
size_t axes_of(const CsvTable& table) {
  for (size_t axes = 1; axes < table.header.size(); ++axes) {
    std::set<std::vector<std::string>> seen;
    bool apart = true;
    for (const auto& row : table.rows)
      apart = apart &&
              seen.insert({row.cells.begin(), row.cells.begin() + static_cast<std::ptrdiff_t>(axes)}).second;
    if (apart) return axes;
  }
  return table.header.empty() ? 0 : table.header.size() - 1;
}

size_t distinct_numbers(const CsvTable& table, size_t column) {
  std::set<double> values;
  for (const auto& row : table.rows) {
    const auto value = number_of(row.cells[column]);
    if (!value) return 0;
    values.insert(*value);
  }
  return values.size();
}

// The axis to draw over: the last with three numbers or more, else the last with two.
std::optional<size_t> x_axis(const CsvTable& table, size_t axes) {
  for (const size_t least : {size_t{3}, size_t{2}}) {
    for (size_t a = axes; a-- > 0;) {
      if (distinct_numbers(table, a) >= least) return a;
    }
  }
  return {};
}

std::optional<Figure> column_figure(const CsvTable& table, size_t axes, size_t x, size_t y) {
  std::map<std::string, std::vector<LinePoint>> lines;
  std::vector<std::string> order;
  const CsvRow* best = nullptr;
  const CsvRow* worst = nullptr;
  double least = 0;
  double most = 0;
  double least_x = 0;
  double most_x = 0;
  for (const auto& row : table.rows) {
    const auto at = number_of(row.cells[x]);
    const auto value = number_of(row.cells[y]);
    if (!at || !value) continue;
    std::string name;
    for (size_t a = 0; a < axes; ++a) {
      if (a == x) continue;
      name += fmt::format("{}{} {}", name.empty() ? "" : ", ", table.header[a], row.cells[a]);
    }
    if (name.empty()) name = table.header[y];
    if (!lines.contains(name)) order.push_back(name);
    lines[name].push_back({*at, *value});
    least_x = least_x == 0 ? *at : std::min(least_x, *at);
    most_x = std::max(most_x, *at);
    if (best == nullptr || *value < least) {
      best = &row;
      least = *value;
    }
    if (worst == nullptr || *value > most) {
      worst = &row;
      most = *value;
    }
  }
  if (best == nullptr || most <= 0) return {};
  const auto place = [&](const CsvRow& row) {
    std::string text;
    for (size_t a = 0; a < axes; ++a)
      text += fmt::format("{}{} {}", text.empty() ? "" : ", ", table.header[a], row.cells[a]);
    return text;
  };
  const FormatNumber format = format_of(table.header[y]);
  std::string sentence = fmt::format("{} is between {} ({}) and {} ({}).", table.header[y], format(least),
                                     place(*best), format(most), place(*worst));
  LineChart chart{table.header[y] + " over " + table.header[x],
                  table.header[x],
                  table.header[y],
                  format_of(table.header[x]),
                  format,
                  {}};
  for (const auto& name : order) {
    if (chart.series.size() == kMostLines) break;
    auto points = lines[name];
    std::stable_sort(points.begin(), points.end(), [](const auto& a, const auto& b) { return a.x < b.x; });
    chart.series.push_back({name, std::move(points)});
  }
  if (order.size() > kMostLines)
    sentence +=
        fmt::format(" The first {} of {} lines are drawn; the table has all.", kMostLines, order.size());
  chart.x_logarithmic = least_x > 0 && most_x / least_x > 10;
  chart.y_logarithmic = least > 0 && most / least > 30;
  return Figure{sentence, line_chart(chart)};
}

// Nothing to draw over: a bar for each row, named by the columns before the numbers.
std::optional<Figure> row_figure(const CsvTable& table, size_t axes, size_t y) {
  constexpr size_t kMostBars = 40;
  std::vector<PlainBar> bars;
  const FormatNumber format = format_of(table.header[y]);
  size_t rows = 0;
  for (const auto& row : table.rows) {
    const auto value = number_of(row.cells[y]);
    if (!value || *value < 0) return {};
    std::string name;
    for (size_t a = 0; a < axes; ++a) name += (a > 0 ? ", " : "") + row.cells[a];
    if (++rows <= kMostBars) bars.push_back({name, *value, 3, ""});
  }
  const auto [least, most] = std::minmax_element(
      bars.begin(), bars.end(), [](const auto& a, const auto& b) { return a.value < b.value; });
  if (bars.size() < 2 || most->value <= 0) return {};
  std::string sentence = fmt::format("{} is between {} ({}) and {} ({}).", table.header[y],
                                     format(least->value), least->label, format(most->value), most->label);
  if (rows > kMostBars)
    sentence += fmt::format(" The first {} of {} rows are drawn; the table has all.", kMostBars, rows);
  return Figure{sentence, plain_bars(table.header[y], bars, format)};
}

}  // namespace

std::vector<Figure> column_figures(const CsvTable& table, size_t most) {
  std::vector<Figure> figures;
  const size_t axes = axes_of(table);
  const auto x = x_axis(table, axes);
  for (size_t y = axes; y < table.header.size() && figures.size() < most; ++y) {
    auto figure = x ? column_figure(table, axes, *x, y) : row_figure(table, axes, y);
    if (figure) figures.push_back(std::move(*figure));
  }
  return figures;
}

PagePart sweep_part(const std::string& name, const CsvTable& table) {
  PagePart part;
  part.title = "Sweep " + name;
  const size_t axes = axes_of(table);
  size_t failed = 0;
  const auto error = std::find(table.header.begin(), table.header.end(), "error");
  if (error != table.header.end()) {
    const auto column = static_cast<size_t>(error - table.header.begin());
    for (const auto& row : table.rows) failed += row.cells[column].empty() ? 0 : 1;
  }
  std::string over;
  for (size_t a = 0; a < axes; ++a) over += fmt::format("{}{}", over.empty() ? "" : ", ", table.header[a]);
  part.summary = fmt::format("{} points over {}; {} failed.", table.rows.size(), over, failed);
  part.sections.push_back({"What it says", column_figures(table, table.header.size())});
  Table rows{table.header, {}};
  for (const auto& row : table.rows) rows.add(row.cells);
  part.sections.push_back(
      {"Points", {table_figure("Every point as the sweep wrote it.", rows, "sweep.csv")}});
  return part;
}

}  // namespace rdusim::report
