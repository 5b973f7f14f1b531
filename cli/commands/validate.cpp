// rdusim validate: published results beside ours, and the points of a file that is not in the project.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/io/file.h"
#include "cli/commands/commands.h"
#include "cli/progress.h"
#include "cli/validate/groups.h"
#include "cli/validate/markdown.h"
#include "cli/validate/output.h"
#include "cli/validate/parameter_output.h"

namespace rdusim::cli {
namespace {

// Groups of more rows are summed up in the table, unless they are asked for by name.
constexpr size_t kMostRowsOfAGroup = 40;

struct Options {
  std::string points;
  std::vector<std::string> groups;
  std::string stack;
  bool full = false;
  bool parameters = false;
  std::string markdown;
};

report::Json fitted_json(const ParameterFile& file, const std::vector<double>& values) {
  report::Json json = report::Json::array();
  for (size_t i = 0; i < file.parameters.size(); ++i) {
    const FreeParameter& p = file.parameters[i];
    if (p.how != "fitted") continue;
    json.push_back({{"name", p.name},
                    {"value", values[i]},
                    {"unit", p.unit},
                    {"meaning", p.meaning},
                    {"points", file.calibration_points}});
  }
  return json;
}

Result<int> validate_rows(ValidationContext& context, const Options& options) {
  Session& session = context.session;
  RDU_ASSIGN(const ParameterFile file, load_parameters(session));
  std::vector<double> values;
  for (const FreeParameter& parameter : file.parameters) {
    RDU_ASSIGN(const double value, config_value(session, parameter));
    values.push_back(value);
  }
  RDU_ASSIGN(const auto rows, run_groups(context, options.groups, options.full || !options.markdown.empty()));
  session.print(report::table_text(validation_table(rows, options.groups.empty() ? kMostRowsOfAGroup : 0)));
  const ValidationTally sums = tally(rows);
  session.print(fmt::format("\n{} of {} judged rows pass\n", sums.judged - sums.failed, sums.judged));
  if (!options.markdown.empty()) {
    RDU_ASSIGN(const std::string page, read_text_file(options.markdown));
    RDU_CHECK_OK(update_page(options.markdown, page_blocks(rows, page)));
  }
  RDU_CHECK_OK(
      session.write_json({{"rows", rows_json(rows)}, {"fitted_parameters", fitted_json(file, values)}}));
  return sums.failed == 0 ? kExitOk : kExitFellShort;
}

Result<int> validate_points(ValidationContext& context, const Options& options) {
  RDU_ASSIGN(const auto points, single_model_points(context, options.points));
  context.session.print(report::table_text(points_table(points)));
  context.session.print("\n" + points_summary(points));
  RDU_CHECK_OK(
      context.session.write_json({{"points", points_json(points)},
                                  {"geometric_mean_error_percent", geometric_mean_error_percent(points)}}));
  const bool unreadable =
      std::any_of(points.begin(), points.end(), [](const PointResult& point) { return point.unreadable; });
  return unreadable ? kExitBadInput : kExitOk;
}

Result<int> show_parameters(ValidationContext& context, const Options& options) {
  RDU_ASSIGN(const ParameterFile file, load_parameters(context.session));
  RDU_ASSIGN(const Sensitivities found, sensitivities(context, file));
  const report::Table table = parameter_list(file, found);
  const report::Table slopes = sensitivity_table(file, found);
  context.session.print(report::table_text(table) + "\n" + report::table_text(slopes) + "\n" +
                        result_list(file));
  if (!options.markdown.empty()) {
    RDU_CHECK_OK(
        update_page(options.markdown, {{"parameters", markdown_table(table)},
                                       {"sensitivity", markdown_table(slopes) + "\n" + result_list(file)}}));
  }
  RDU_CHECK_OK(context.session.write_json({{"parameters", parameters_json(file, found)}}));
  return kExitOk;
}

Result<int> run(Session& session, const Options& options) {
  Progress progress("validating", session.quiet);
  ValidationContext context{session, progress, options.stack};
  if (options.parameters) return show_parameters(context, options);
  return options.points.empty() ? validate_rows(context, options) : validate_points(context, options);
}

std::vector<std::string> group_ids() {
  std::vector<std::string> ids;
  for (const ValidationGroup& group : validation_groups()) ids.emplace_back(group.id);
  return ids;
}

}  // namespace

void add_validate(CLI::App& app, Session& session) {
  auto options = std::make_shared<Options>();
  auto* command = app.add_subcommand("validate", "published results beside ours: error, pass or fall short");
  command
      ->add_option("--points", options->points,
                   "CSV of measured points instead: columns model, sockets, input_and_output_tokens, batch, "
                   "latency_s or "
                   "total_tokens_per_s")
      ->type_name("FILE");
  command->add_option("--group", options->groups, "only these groups of rows, every row of them")
      ->delimiter(',')
      ->check(CLI::IsMember(group_ids()));
  command->add_flag("--full", options->full, "the slow groups too");
  command->add_flag("--parameters", options->parameters,
                    "the free parameters instead: value, meaning, how each was set, what hangs on it");
  command
      ->add_option("--markdown", options->markdown,
                   "write the tables into this page's generated blocks too (takes every group)")
      ->type_name("FILE");
  command
      ->add_option("--stack", options->stack, "software stack of single-model serving (default: the node's)")
      ->type_name("NAME");
  std::string groups = "Groups:\n";
  for (const ValidationGroup& group : validation_groups()) {
    groups += fmt::format("  {:15} {}{}\n", group.id, group.title,
                          group.speed == ValidationGroup::Speed::slow ? " (slow)" : "");
  }
  command->footer(groups +
                  "\nExit code 1 when a judged row is outside its tolerance. Sources and free parameters: "
                  "docs/validation.md.\n"
                  "\n"
                  "Examples:\n"
                  "  rdusim validate\n"
                  "  rdusim validate --group coe-table-5 --json out/table5.json\n"
                  "  rdusim validate --points configs/published/llm_inference_bench.csv\n"
                  "  rdusim validate --parameters\n"
                  "  rdusim validate --markdown docs/validation.md");
  command->callback(
      [&session, options] { session.body = [options](Session& s) { return run(s, *options); }; });
}

}  // namespace rdusim::cli
