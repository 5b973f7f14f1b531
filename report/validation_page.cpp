// Pages of what `rdusim validate`, `validate --points`, `calibrate` and `crosscheck` wrote: how near, where
// furthest off, and what the numbers hang on.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "report/charts.h"
#include "report/format.h"
#include "report/lines.h"
#include "report/result_lists.h"
#include "report/result_page.h"
#include "report/result_reader.h"

namespace rdusim::report {
namespace {

struct Row {
  std::string group;
  std::string what;
  std::string unit;
  double error_percent = 0;
  double tolerance_percent = 0;
  bool judged = false;
  bool passed = false;
  // Of its tolerance; an exact row that is off has used all of it.
  [[nodiscard]] double used() const {
    if (tolerance_percent > 0) return std::abs(error_percent) / tolerance_percent;
    return passed ? 0 : 1;
  }
};

std::string signed_percent(double percent) {
  return fmt::format("{:+.1f} %", percent);
}

std::vector<Row> read_rows(ResultReader& reader, const DocumentNode& root, Table& table) {
  std::vector<Row> rows;
  table.header = {"group",     "what", "verdict", "error",  "allowed",
                  "published", "ours", "unit",    "source", "command"};
  for (const DocumentNode& item : reader.items(root, "rows")) {
    Row row{reader.text(item, "group"),
            reader.text(item, "what"),
            reader.text_or_empty(item, "unit"),
            reader.number(item, "error_percent"),
            reader.number_or_zero(item, "tolerance_percent"),
            false,
            reader.flag(item, "passed")};
    const DocumentNode* passed = item.find("passed");
    row.judged = passed != nullptr && passed->kind == DocumentNode::Kind::kBool;
    std::string published = fmt::format("{:.4g}", reader.number(item, "published"));
    if (item.find("published_range") != nullptr) published += " (of a range)";
    table.add({row.group, row.what,
               !row.judged  ? "shown only"
               : row.passed ? "pass"
                            : "FALLS SHORT",
               signed_percent(row.error_percent),
               row.judged ? fmt::format("{:.3g} %", row.tolerance_percent) : "–", published,
               fmt::format("{:.4g}", reader.number(item, "simulated")), row.unit,
               reader.text_or_empty(item, "source"), reader.text_or_empty(item, "command")});
    rows.push_back(std::move(row));
  }
  return rows;
}

Figure group_figure(const std::vector<Row>& rows) {
  std::vector<std::string> order;
  std::map<std::string, StackedBar> bars;
  for (const Row& row : rows) {
    if (!bars.contains(row.group)) {
      order.push_back(row.group);
      bars[row.group] = {row.group, {0, 0, 0}};
    }
    bars[row.group].parts[!row.judged ? 2 : row.passed ? 0 : 1] += 1;
  }
  std::vector<StackedBar> list;
  for (const auto& group : order) list.push_back(bars[group]);
  const auto longest = std::max_element(list.begin(), list.end(), [](const auto& a, const auto& b) {
    return a.parts[0] + a.parts[1] + a.parts[2] < b.parts[0] + b.parts[1] + b.parts[2];
  });
  return {
      fmt::format("{} rows in {} groups; {} has the most. Rows that are shown only have no judgement, "
                  "because the source leaves open what was measured.",
                  rows.size(), list.size(), longest->label),
      stacked_bars("Rows by group", {"pass", "fall short", "shown only"}, list, format_amount, {4, 2, 0})};
}

Figure nearest_figure(std::vector<const Row*> judged) {
  constexpr size_t kDrawn = 20;
  std::stable_sort(judged.begin(), judged.end(),
                   [](const auto* a, const auto* b) { return a->used() > b->used(); });
  judged.resize(std::min(judged.size(), kDrawn));
  std::vector<PlainBar> bars;
  for (const auto* row : judged) {
    bars.push_back(
        {row->what, row->used(), row->passed ? size_t{4} : size_t{2}, signed_percent(row->error_percent)});
  }
  return {fmt::format("The judged rows that use most of what they are allowed: {} uses {} of {:.3g} %.",
                      judged.front()->what, format_percent(judged.front()->used()),
                      judged.front()->tolerance_percent),
          plain_bars("Share of the allowed error that is used", bars, format_percent)};
}

}  // namespace

Result<PagePart> validation_part(const DocumentNode& root) {
  ResultReader reader;
  PagePart part;
  part.title = "Validation against published results";
  Table table;
  const std::vector<Row> rows = read_rows(reader, root, table);
  std::vector<const Row*> judged;
  std::vector<const Row*> failed;
  for (const Row& row : rows) {
    if (row.judged) judged.push_back(&row);
    if (row.judged && !row.passed) failed.push_back(&row);
  }
  part.summary = fmt::format("{} rows, {} of them judged.", rows.size(), judged.size());
  part.answers.push_back({"How near?", fmt::format("{} of {} judged rows are within what is allowed.",
                                                   judged.size() - failed.size(), judged.size())});
  std::string where;
  for (size_t i = 0; i < failed.size() && i < 3; ++i) {
    where += fmt::format("{}{} ({} of {:.3g} % allowed)", i > 0 ? ", " : "", failed[i]->what,
                         signed_percent(failed[i]->error_percent), failed[i]->tolerance_percent);
  }
  if (failed.empty() && !judged.empty()) {
    const auto* worst = *std::max_element(judged.begin(), judged.end(), [](const auto* a, const auto* b) {
      return std::abs(a->error_percent) < std::abs(b->error_percent);
    });
    where = fmt::format("None falls short; the largest error of a judged row is {} of {} ({:.3g} % allowed)",
                        signed_percent(worst->error_percent), worst->what, worst->tolerance_percent);
  }
  if (!where.empty()) part.answers.push_back({"Where is it furthest off?", where + "."});
  std::string fitted;
  for (const DocumentNode& item : reader.items(root, "fitted_parameters")) {
    fitted += fmt::format("{}{} {} {}", fitted.empty() ? "" : "; ", reader.text(item, "name"),
                          format_number(reader.number(item, "value")), reader.text_or_empty(item, "unit"));
  }
  part.answers.push_back(
      {"What was fitted?", fitted.empty() ? "Nothing in these rows." : fitted + "; nothing else."});
  if (!rows.empty()) {
    PageSection near{"How near", {group_figure(rows)}};
    if (!judged.empty()) near.figures.push_back(nearest_figure(judged));
    part.sections.push_back(std::move(near));
    part.sections.push_back({"Rows",
                             {table_figure("Every row, its source and the command that gives our number.",
                                           table, "validation.csv")}});
  }
  RDU_CHECK_OK(reader.status());
  return part;
}

Result<PagePart> points_part(const DocumentNode& root) {
  ResultReader reader;
  PagePart part;
  part.title = "Measured points";
  Table table{{"model", "sockets", "tokens in and out", "batch", "published", "ours", "error"}, {}};
  std::map<std::string, LineSeries> lines;
  std::map<int64_t, std::pair<double, int>> by_batch;
  double worst = 0;
  std::string worst_name;
  int failures = 0;
  for (const DocumentNode& item : reader.items(root, "points")) {
    if (item.find("failure") != nullptr) {
      ++failures;
      continue;
    }
    const std::string model = reader.text(item, "model");
    const auto batch = reader.count(item, "batch");
    const auto tokens = reader.number(item, "input_and_output_tokens");
    const double published = reader.number(item, "published_s");
    const double ours = reader.number(item, "simulated_s");
    const double error = reader.number(item, "error_percent");
    table.add({model, format_amount(reader.number_or_zero(item, "sockets")), format_amount(tokens),
               format_count(batch), format_time(published), format_time(ours), signed_percent(error)});
    if (published <= 0 || ours <= 0) continue;
    const std::string short_name =
        model.substr(model.rfind('/') == std::string::npos ? 0 : model.rfind('/') + 1);
    const std::string name = fmt::format("{}, batch {}", short_name, batch);
    lines[name].name = name;
    lines[name].points.push_back({tokens, ours / published});
    by_batch[batch].first += std::abs(std::log(ours / published));
    by_batch[batch].second += 1;
    if (std::abs(error) <= std::abs(worst)) continue;
    worst = error;
    worst_name = fmt::format("{} at {} tokens", name, format_amount(tokens));
  }
  std::string batches;
  for (const auto& [batch, sum] : by_batch) {
    batches += fmt::format("{}{:.1f} % at batch {} ({} points)", batches.empty() ? "" : ", ",
                           (std::exp(sum.first / sum.second) - 1) * 100, batch, sum.second);
  }
  part.summary = fmt::format("{} points, {} that could not be simulated.", table.rows.size(), failures);
  part.answers = {
      {"How near?", fmt::format("Geometric mean error {:.1f} %: {}.",
                                reader.number(root, "geometric_mean_error_percent"), batches)},
      {"Where is it furthest off?",
       worst_name.empty() ? "Nowhere." : fmt::format("{}: {}.", worst_name, signed_percent(worst))}};
  LineChart chart{"Ours over published", "tokens in and out", "ours over published",
                  format_amount,         format_number,       {}};
  for (auto& [name, line] : lines) {
    if (chart.series.size() == 8) break;
    std::stable_sort(line.points.begin(), line.points.end(),
                     [](const auto& a, const auto& b) { return a.x < b.x; });
    chart.series.push_back(line);
  }
  chart.x_logarithmic = true;
  PageSection section{"Points", {}};
  if (!chart.series.empty())
    section.figures.push_back(
        {"Latency of ours over the published one: 1 is exact, below it we are too fast.", line_chart(chart)});
  section.figures.push_back(table_figure("Every point.", table, "points.csv"));
  part.sections.push_back(std::move(section));
  RDU_CHECK_OK(reader.status());
  return part;
}

Result<PagePart> calibration_part(const DocumentNode& root) {
  ResultReader reader;
  PagePart part;
  part.title = "Calibration";
  Table parameters{{"parameter", "unit", "in configs", "fitted", "from", "to"}, {}};
  std::string values;
  for (const DocumentNode& item : reader.items(root, "parameters")) {
    const std::string name = reader.text(item, "name");
    const std::string fitted = fmt::format("{:.4g}", reader.number(item, "fitted"));
    parameters.add({name, reader.text_or_empty(item, "unit"),
                    fmt::format("{:.4g}", reader.number(item, "in_configs")), fitted,
                    fmt::format("{:.4g}", reader.number(item, "low")),
                    fmt::format("{:.4g}", reader.number(item, "high"))});
    values += fmt::format("{}{} {} {}", values.empty() ? "" : "; ", name, fitted,
                          reader.text_or_empty(item, "unit"));
  }
  Table points{{"point", "published", "with configs", "fitted", "left out of the fit", "error left out"}, {}};
  std::vector<PlainBar> bars;
  double worst = 0;
  std::string worst_name = "none";
  for (const DocumentNode& item : reader.items(root, "points")) {
    const std::string id = reader.text(item, "id");
    const double published = reader.number(item, "published");
    const double left_out = reader.number(item, "left_out");
    const double error = published != 0 ? (left_out / published - 1) * 100 : 0;
    points.add({id, fmt::format("{:.4g}", published),
                fmt::format("{:.4g}", reader.number(item, "with_configs")),
                fmt::format("{:.4g}", reader.number(item, "fitted")), fmt::format("{:.4g}", left_out),
                signed_percent(error)});
    bars.push_back(
        {id.substr(id.find('/') == std::string::npos ? 0 : id.find('/') + 1), std::abs(error) / 100, 3, ""});
    if (std::abs(error) <= std::abs(worst)) continue;
    worst = error;
    worst_name = id;
  }
  part.summary = fmt::format("{} parameters on {} points.", parameters.rows.size(), points.rows.size());
  part.answers = {
      {"How near?",
       fmt::format("Root mean square error {:.2f} % with the values in configs, {:.2f} % fitted, {:.2f} % of "
                   "points that were left out of the fit.",
                   reader.number(root, "rms_configs_percent"), reader.number(root, "rms_fitted_percent"),
                   reader.number(root, "rms_left_out_percent"))},
      {"Does it hold beyond its points?", fmt::format("The worst point that was left out, {}, is off by {}.",
                                                      worst_name, signed_percent(worst))},
      {"What was fitted?", values + "."}};
  PageSection section{"Points", {}};
  if (!bars.empty())
    section.figures.push_back({"Error of each point when it is left out of the fit.",
                               plain_bars("Error of points left out", bars, format_percent)});
  section.figures.push_back(table_figure("Every point of the fit.", points, "points.csv"));
  part.sections.push_back(std::move(section));
  part.sections.push_back(
      {"Parameters", {table_figure("What was fitted, within which limits.", parameters, "parameters.csv")}});
  RDU_CHECK_OK(reader.status());
  return part;
}

namespace {

// Workloads of one pair of fidelities.
PageSection fidelity_section(ResultReader& reader, const DocumentNode& owner, const std::string& heading) {
  const DocumentNode* list = owner.find("workloads");
  PageSection section{heading, {}};
  if (list == nullptr || !is_list_of_rows(*list)) return section;
  std::vector<PlainBar> bars;
  for (const DocumentNode& item : list->items) {
    for (const auto& [name, value] : item.members) {
      if (!name.ends_with("difference_percent")) continue;
      const double percent = reader.as_number(value);
      bars.push_back({reader.text(item, "workload"), std::abs(percent) / 100, 3, signed_percent(percent)});
      break;
    }
  }
  const std::string largest = reader.text_or_empty(owner, "largest");
  if (!bars.empty()) {
    section.figures.push_back({"Largest difference: " + (largest.empty() ? "not said" : largest) + ".",
                               plain_bars(heading, bars, format_percent)});
  }
  section.figures.push_back(rows_figure("Times of every workload.", list_table(*list), "fidelities.csv"));
  return section;
}

}  // namespace

Result<PagePart> crosscheck_part(const DocumentNode& root) {
  ResultReader reader;
  PagePart part;
  part.title = "Fidelities against each other";
  const DocumentNode* cycle = root.find("cycle");
  part.summary =
      cycle == nullptr ? "Analytic against event." : "Analytic against event, event against cycle.";
  part.answers.push_back(
      {"How far apart are analytic and event?", reader.text_or_empty(root, "largest") + "."});
  part.sections.push_back(fidelity_section(reader, root, "Analytic against event"));
  if (cycle != nullptr) {
    part.answers.push_back(
        {"How far apart are event and cycle?", reader.text_or_empty(*cycle, "largest") + "."});
    part.sections.push_back(fidelity_section(reader, *cycle, "Event against cycle"));
  }
  RDU_CHECK_OK(reader.status());
  return part;
}

}  // namespace rdusim::report
