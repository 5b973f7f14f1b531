// rdusim validate: published results beside ours, and the points of a file that is not in the project.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "cli/commands/commands.h"
#include "cli/progress.h"
#include "cli/validation.h"
#include "report/format.h"
#include "report/table.h"

namespace rdusim::cli {
namespace {

struct Options {
  std::string points;
  std::string group;
  std::string stack;
};

const std::vector<std::string>& group_names() {
  static const std::vector<std::string> names{"chip", "single-model", "coe-table-5", "capacity", "fusion"};
  return names;
}

Result<std::vector<ValidationRow>> rows_of(Session& session, const std::string& group,
                                           const std::string& stack, Progress& progress) {
  if (group == "chip") return chip_rows(session);
  if (group == "coe-table-5") return table5_rows(session, progress);
  if (group == "capacity") return capacity_rows(session, progress);
  if (group == "fusion") return fusion_rows(session, progress);
  const std::string path = session.config.config_dir + "/published/llm_inference_bench.csv";
  RDU_ASSIGN(const auto points, single_model_points(session, path, stack, progress));
  return single_model_rows(points, "configs/published/llm_inference_bench.csv");
}

std::string published_text(const ValidationRow& row) {
  if (!row.is_range()) return fmt::format("{:.4g}", row.published);
  if (std::isinf(row.published_high)) return fmt::format("over {:.4g}", row.published);
  return fmt::format("{:.4g} to {:.4g}", row.published, row.published_high);
}

report::Json row_json(const ValidationRow& row) {
  return {{"id", row.id},
          {"group", row.group},
          {"source", row.source},
          {"published", row.published},
          {"range", row.is_range()},
          {"published_high", row.is_range() && std::isfinite(row.published_high)
                                 ? report::Json(row.published_high)
                                 : report::Json(nullptr)},
          {"simulated", row.simulated},
          {"unit", row.unit},
          {"error_percent", row.error_percent()},
          {"tolerance_percent", row.judged() ? report::Json(row.tolerance_percent) : report::Json(nullptr)},
          {"not_judged_because", row.not_judged_because},
          {"passed", row.judged() ? report::Json(row.passed()) : report::Json(nullptr)},
          {"command", row.command}};
}

Result<int> validate_rows(Session& session, const Options& options, Progress& progress) {
  report::Table table{{"group", "what", "published", "ours", "unit", "error %", "allowed %", ""}, {}};
  report::Json rows = report::Json::array();
  int64_t judged = 0;
  int64_t failed = 0;
  for (const std::string& group : group_names()) {
    if (!options.group.empty() && options.group != group) continue;
    RDU_ASSIGN(const auto group_rows, rows_of(session, group, options.stack, progress));
    for (const ValidationRow& row : group_rows) {
      judged += row.judged() ? 1 : 0;
      failed += row.passed() ? 0 : 1;
      table.add({row.group, row.id, published_text(row), fmt::format("{:.4g}", row.simulated), row.unit,
                 fmt::format("{:+.1f}", row.error_percent()),
                 row.judged() ? fmt::format("{:.3g}", row.tolerance_percent) : "-",
                 !row.judged()  ? "shown only"
                 : row.passed() ? "pass"
                                : "FALLS SHORT"});
      rows.push_back(row_json(row));
    }
  }
  session.print(report::table_text(table));
  session.print(fmt::format("\n{} of {} judged rows pass\n", judged - failed, judged));
  RDU_CHECK_OK(session.write_json({{"rows", std::move(rows)}}));
  return failed == 0 ? kExitOk : kExitFellShort;
}

Result<int> validate_points(Session& session, const Options& options, Progress& progress) {
  RDU_ASSIGN(const auto points, single_model_points(session, options.points, options.stack, progress));
  report::Table table{{"model", "tokens in and out", "batch", "published s", "ours s", "error %"}, {}};
  report::Json rows = report::Json::array();
  for (const PointResult& point : points) {
    const bool known = point.failure.empty();
    table.add({point.model, fmt::to_string(point.tokens), fmt::to_string(point.batch),
               fmt::format("{:.4f}", point.published_s),
               known ? fmt::format("{:.4f}", point.simulated_s) : "-",
               known ? fmt::format("{:+.1f}", point.error_percent()) : point.failure});
    report::Json row{{"model", point.model},
                     {"input_and_output_tokens", point.tokens},
                     {"batch", point.batch},
                     {"published_s", point.published_s},
                     {"simulated_s", known ? report::Json(point.simulated_s) : report::Json(nullptr)},
                     {"error_percent", known ? report::Json(point.error_percent()) : report::Json(nullptr)}};
    if (!known) row["failure"] = point.failure;
    rows.push_back(std::move(row));
  }
  const double error = geometric_mean_error_percent(points);
  session.print(report::table_text(table));
  session.print(fmt::format("\ngeometric mean error over all points: {:.2f} %\n", error));
  RDU_CHECK_OK(session.write_json({{"points", std::move(rows)}, {"geometric_mean_error_percent", error}}));
  return kExitOk;
}

Result<int> run(Session& session, const Options& options) {
  Progress progress("validating", session.quiet);
  return options.points.empty() ? validate_rows(session, options, progress)
                                : validate_points(session, options, progress);
}

}  // namespace

void add_validate(CLI::App& app, Session& session) {
  auto options = std::make_shared<Options>();
  auto* command = app.add_subcommand("validate", "published results beside ours: error, pass or fall short");
  command
      ->add_option(
          "--points", options->points,
          "CSV of measured points instead: columns sockets, model, input_and_output_tokens, batch, latency_s")
      ->type_name("FILE");
  command->add_option("--group", options->group, "only this group of rows")
      ->check(CLI::IsMember(group_names()));
  command
      ->add_option("--stack", options->stack, "software stack of single-model serving (default: the node's)")
      ->type_name("NAME");
  command->footer(
      "Exit code 1 when a judged row is outside its tolerance. Sources and free parameters: "
      "docs/validation.md.\n"
      "\n"
      "Examples:\n"
      "  rdusim validate\n"
      "  rdusim validate --group coe-table-5 --json out/table5.json\n"
      "  rdusim validate --points configs/published/llm_inference_bench.csv");
  command->callback(
      [&session, options] { session.body = [options](Session& s) { return run(s, *options); }; });
}

}  // namespace rdusim::cli
