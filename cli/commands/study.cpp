// rdusim study switching: what each mechanism beyond plain eviction gains, over a grid of experts, batches,
// popularity laws, eviction policies and nodes. One table, one row a run.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/io/file.h"
#include "cli/commands/commands.h"
#include "cli/progress.h"
#include "cli/serving.h"
#include "cli/study_page.h"
#include "cli/switching_study.h"
#include "report/table.h"

namespace rdusim::cli {
namespace {

struct Options {
  std::string composition = "llama2-7b-x150";
  std::vector<std::string> nodes{"sn40l-8"};
  std::vector<int64_t> experts{150};
  std::vector<int64_t> batches{1, 8};
  std::vector<std::string> popularity{"zipf:0.9"};
  std::vector<std::string> eviction{"lru"};
  StudyRequests requests;
  int64_t seeds = 5;
  std::string stack;  // empty: the composition's
  std::string output = "out/study-switching.csv";
  std::string html;  // empty: beside the CSV
};

std::string number(double value) {
  return fmt::format("{}", value);
}

report::Table header() {
  report::Table table{{"node", "experts", "popularity", "eviction", "batch", "variant", "seeds",
                       "switching_mean_s", "gain", "gain_least", "gain_most"},
                      {}};
  const auto columns = study_columns();
  table.header.insert(table.header.end(), columns.begin(), columns.end());
  table.header.emplace_back("saturated");
  return table;
}

std::vector<std::string> cells_of(const StudyPoint& p, const std::string& variant, int64_t seeds,
                                  double switching_s, const Spread& gain) {
  std::vector<std::string> cells{
      p.node,  fmt::to_string(p.experts), p.popularity,       p.eviction, fmt::to_string(p.batch),
      variant, fmt::to_string(seeds),     number(switching_s)};
  for (const double g : {gain.mean, gain.least, gain.most})
    cells.push_back(g > 0 ? fmt::format("{:.2f}", g) : std::string("no switching left"));
  return cells;
}

// A row a way of serving, then the bound.
void add_rows(report::Table& table, const std::vector<StudyRun>& runs, int64_t seeds) {
  for (const StudyRun& run : runs) {
    auto cells = cells_of(run.point, run.variant, seeds, run.split.switching_s, run.gain);
    for (const double value : run.numbers) cells.push_back(number(value));
    cells.emplace_back(run.saturated ? "yes" : "no");
    table.add(std::move(cells));
  }
  const StudyRun& first = runs.front();
  table.add(cells_of(first.point, "(bound)", seeds, first.bound_s, first.bound_gain));
  table.rows.back().resize(table.header.size());
}

Result<int> run(Session& session, const Options& options) {
  RDU_CHECK_OK(Session::expect_folder(options.output));
  Progress progress("study", session.quiet);
  RDU_ASSIGN(runtime::Composition composition,
             runtime::load_composition(session.config, options.composition));
  ModelLibrary library = model_library(session);
  report::Table table = header();
  std::vector<StudyRun> all;
  StudyRequests requests = options.requests;
  for (int64_t i = 0; i < options.seeds; ++i)
    requests.seeds.push_back(session.seed + static_cast<uint64_t>(i));
  ServingChoice choice;
  choice.stack = options.stack;
  for (const std::string& name : options.nodes) {
    RDU_ASSIGN(const ServingNode node,
               make_serving_node(session, name, choice, composition, library, progress));
    for (const int64_t experts : options.experts) {
      composition.experts.front().count = experts;
      for (const std::string& popularity : options.popularity) {
        RDU_ASSIGN(const auto workloads, study_workloads(composition, requests, popularity));
        for (const std::string& eviction : options.eviction) {
          for (const int64_t batch : options.batches) {
            progress.note(fmt::format("{}: {} experts, {}, batch {}", name, experts, popularity, batch));
            RDU_ASSIGN(const auto runs, run_study_point(composition, workloads, node,
                                                        {name, experts, popularity, eviction, batch}));
            add_rows(table, runs, options.seeds);
            all.insert(all.end(), runs.begin(), runs.end());
          }
        }
      }
    }
  }
  RDU_CHECK_OK(check_overrides_used(session.config));
  RDU_CHECK_OK(session.write_csv(options.output, report::table_csv(table)));
  const auto page = study_page(composition.name, all, report::table_html(table));
  const std::string html = options.html.empty()
                               ? std::filesystem::path(options.output).replace_extension(".html").string()
                               : options.html;
  RDU_CHECK_OK(write_file_atomically(html, report::page_html(page, session.manifest())));
  session.print(report::table_text(table));
  session.print(fmt::format("\n{}\n{}\n", options.output, html));
  RDU_CHECK_OK(session.write_json({{"columns", table.header}, {"rows", table.rows}}));
  return kExitOk;
}

}  // namespace

void add_study(CLI::App& app, Session& session) {
  auto options = std::make_shared<Options>();
  auto* study = app.add_subcommand("study", "grids of runs that answer one question");
  study->require_subcommand(1);
#define RDU_STUDY(name) add_study_##name(*study, session);
#include "cli/commands/studies.def"
#undef RDU_STUDY
  auto* command = study->add_subcommand("switching", "what each mechanism takes off the time of a switch");
  command->add_option("--composition", options->composition,
                      "whose first expert is replicated (default llama2-7b-x150)");
  command->add_option("--node", options->nodes, "nodes")->delimiter(',');
  command->add_option("--experts", options->experts, "numbers of experts")
      ->delimiter(',')
      ->check(CLI::Range(1, 100'000));
  command->add_option("--batch", options->batches, "requests that the router sees at once")
      ->delimiter(',')
      ->check(CLI::Range(1, 4096));
  command->add_option("--popularity", options->popularity, "laws: uniform, round-robin, zipf:A")
      ->delimiter(',');
  command->add_option("--eviction", options->eviction, "eviction policies")->delimiter(',');
  command->add_option("--requests", options->requests.count, "of a run (default 20000)")
      ->check(CLI::Range(1, 100'000'000));
  command->add_option("--rate", options->requests.rate_per_s, "requests a second, Poisson (default 5)")
      ->check(CLI::PositiveNumber);
  command->add_option("--seeds", options->seeds, "runs of each, from --seed on (default 5): mean and spread")
      ->check(CLI::Range(int64_t{1}, int64_t{1000}));
  command->add_option("--stack", options->stack, "software stack of RDU nodes (default: the composition's)")
      ->type_name("NAME");
  command->add_option("--html", options->html, "page of plots (default: the CSV's name with .html)")
      ->type_name("FILE");
  command->add_option("-o,--output", options->output, "CSV file (default out/study-switching.csv)")
      ->type_name("FILE");
  command->footer(
      "switching_mean_s is over all finished requests, and all seeds; gain is that of eviction alone over "
      "it, "
      "seed by seed:\n"
      "mean, least and most. (bound): what none of the mechanisms can go below.\n\n"
      "Example:\n"
      "  rdusim study switching --experts 50,150,850 --batch 1,8 --popularity zipf:0.9,uniform");
  command->callback(
      [&session, options] { session.body = [options](Session& s) { return run(s, *options); }; });
}

}  // namespace rdusim::cli
