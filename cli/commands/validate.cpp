// rdusim validate: published results beside ours, and the points of a file that is not in the project.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "cli/commands/commands.h"
#include "cli/progress.h"
#include "cli/validate/groups.h"
#include "cli/validate/output.h"

namespace rdusim::cli {
namespace {

// Groups of more rows are summed up in the table, unless they are asked for by name.
constexpr size_t kMostRowsOfAGroup = 40;

struct Options {
  std::string points;
  std::vector<std::string> groups;
  std::string stack;
  bool full = false;
};

Result<int> validate_rows(ValidationContext& context, const Options& options) {
  RDU_ASSIGN(const auto rows, run_groups(context, options.groups, options.full));
  context.session.print(
      report::table_text(validation_table(rows, options.groups.empty() ? kMostRowsOfAGroup : 0)));
  const ValidationTally sums = tally(rows);
  context.session.print(fmt::format("\n{} of {} judged rows pass\n", sums.judged - sums.failed, sums.judged));
  RDU_CHECK_OK(context.session.write_json({{"rows", rows_json(rows)}}));
  return sums.failed == 0 ? kExitOk : kExitFellShort;
}

Result<int> validate_points(ValidationContext& context, const Options& options) {
  RDU_ASSIGN(const auto points, single_model_points(context, options.points));
  const double error = geometric_mean_error_percent(points);
  context.session.print(report::table_text(points_table(points)));
  context.session.print(fmt::format("\ngeometric mean error over all points: {:.2f} %\n", error));
  RDU_CHECK_OK(
      context.session.write_json({{"points", points_json(points)}, {"geometric_mean_error_percent", error}}));
  return kExitOk;
}

Result<int> run(Session& session, const Options& options) {
  Progress progress("validating", session.quiet);
  ValidationContext context{session, progress, options.stack};
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
      ->add_option(
          "--points", options->points,
          "CSV of measured points instead: columns sockets, model, input_and_output_tokens, batch, latency_s")
      ->type_name("FILE");
  command->add_option("--group", options->groups, "only these groups of rows, every row of them")
      ->delimiter(',')
      ->check(CLI::IsMember(group_ids()));
  command->add_flag("--full", options->full, "the slow groups too");
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
                  "  rdusim validate --points configs/published/llm_inference_bench.csv");
  command->callback(
      [&session, options] { session.body = [options](Session& s) { return run(s, *options); }; });
}

}  // namespace rdusim::cli
