// rdusim sweep: a grid of settings over simulate or serve, one CSV row a point.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/io/file.h"
#include "cli/commands/commands.h"
#include "cli/progress.h"
#include "cli/sweep_run.h"
#include "cli/sweep_spec.h"
#include "report/table.h"

namespace rdusim::cli {
namespace {

struct Options {
  std::string spec;
  std::string output;
  int workers = 0;  // 0: as many as there are processors
};

report::Table csv_of(const SweepSpec& spec, const SweepOutcome& outcome) {
  report::Table table;
  for (const auto& axis : spec.axes) table.header.push_back(axis.column);
  for (const auto& column : spec.columns) table.header.push_back(column.column);
  table.header.emplace_back("error");
  for (size_t p = 0; p < outcome.rows.size(); ++p) {
    auto cells = spec.values_at(static_cast<int64_t>(p));
    const auto& row = outcome.rows[p];
    cells.insert(cells.end(), row.values.begin(), row.values.end());
    cells.resize(table.header.size() - 1);
    cells.push_back(row.error);
    table.add(std::move(cells));
  }
  return table;
}

Result<int> run(Session& session, const Options& options) {
  RDU_ASSIGN(const std::string path, find_config(session.config, "sweeps", options.spec));
  RDU_ASSIGN(const DocumentNode document, read_config(session.config, path));
  RDU_ASSIGN(SweepSpec spec, parse_sweep_spec(document));
  for (const auto& text : session.sets) spec.command.insert(spec.command.end(), {"--set", text});

  const std::string output = options.output.empty() ? "out/" + spec.name + ".csv" : options.output;
  SweepPlace place = sweep_place(session, output, options.workers);

  Progress progress("sweep " + spec.name, session.quiet);
  RDU_ASSIGN(const SweepOutcome outcome, run_sweep(spec, place, [&](int64_t done, int64_t all) {
               progress.note(fmt::format("sweep {}: {} of {} points", spec.name, done, all));
             }));
  const report::Table table = csv_of(spec, outcome);
  RDU_CHECK_OK(session.write_csv(output, report::table_csv(table)));
  session.note(fmt::format("{} of {} points were missing and ran, {} failed\n", outcome.ran, spec.points(),
                           outcome.failed));
  session.print(report::table_text(table));
  session.print(fmt::format("\n{}\n", output));
  RDU_CHECK_OK(session.write_json({{"name", spec.name},
                                   {"points", spec.points()},
                                   {"failed", outcome.failed},
                                   {"columns", table.header},
                                   {"rows", table.rows}}));
  return kExitOk;
}

}  // namespace

void add_sweep(CLI::App& app, Session& session) {
  auto options = std::make_shared<Options>();
  auto* command =
      app.add_subcommand("sweep", "run a grid of settings through simulate or serve, one CSV row a point");
  command->add_option("SPEC", options->spec, "YAML file, or a name of configs/sweeps/")->required();
  command->add_option("-o,--output", options->output, "CSV file (default out/<name>.csv)")->type_name("FILE");
  command->add_option("--workers", options->workers, "worker processes (default: one a processor)")
      ->check(CLI::Range(1, 1024));
  command->footer(
      "Rows stand in the order of the grid, whatever the workers do. A point that fails says why in its last "
      "column and\n"
      "the others go on. Started again, a sweep runs only the points that are missing: results are kept in "
      "FILE.points/\n"
      "and hold as long as the binary and the configuration they were made from do.\n"
      "\n"
      "Examples:\n"
      "  rdusim sweep memory-bandwidths                 configs/sweeps/memory-bandwidths.yaml\n"
      "  rdusim sweep my.yaml --workers 2 -o out/my.csv");
  command->callback(
      [&session, options] { session.body = [options](Session& s) { return run(s, *options); }; });
}

}  // namespace rdusim::cli
