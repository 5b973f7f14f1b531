// rdusim study pipeline: the sockets of a node divided over tensor and pipeline parallelism in every way,
// decode and prefill, one table.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "cli/commands/commands.h"
#include "cli/pipeline/output.h"
#include "cli/progress.h"
#include "report/format.h"

namespace rdusim::cli {
namespace {

struct Options {
  std::string model = "llama-2-70b";
  NodeChoice node;
  CompileChoice compile;
  std::vector<int64_t> batches = {1, 32};
  int64_t context = 4096;
  int64_t chunks = 8;
  std::string fidelity = "event";
  std::string output = "out/study-pipeline.csv";
};

struct Point {
  std::string phase;
  int64_t batch = 0;
  PipelineChoice choice;
};

// Every number of stages that divides the sockets. Decode has a group a stage where the batch divides, else
// one in all; prompts go whole and in chunks.
std::vector<Point> points_of(const Options& options, int64_t sockets) {
  std::vector<Point> points;
  const auto each = [&](const auto& add) {
    for (int64_t stages = 1; stages <= sockets; ++stages) {
      if (sockets % stages == 0) add(stages);
    }
  };
  for (const int64_t batch : options.batches)
    each([&](int64_t p) { points.push_back({"decode", batch, {p, batch % p == 0 ? p : 1}}); });
  each([&](int64_t p) { points.push_back({"prefill", 1, {p, 1}}); });
  if (options.chunks > 1) each([&](int64_t p) { points.push_back({"prefill", 1, {p, options.chunks}}); });
  return points;
}

std::string number(double value) {
  return fmt::format("{:.6g}", value);
}

void add_row(report::Table& table, const Point& point, const PipelineRun& run) {
  const sim::FlowWindow& window = run.window();
  const double round_s = run.seconds(window.cycles_per_round());
  int64_t hbm = 0;
  for (const PipelineStage& stage : run.stages) hbm = std::max(hbm, stage.memory.hbm_bytes);
  table.add({point.phase, fmt::to_string(point.batch),
             fmt::format("TP{} x PP{}", run.stage_sockets, run.stages.size()),
             fmt::to_string(point.choice.micro_batches),
             number(run.seconds(static_cast<double>(run.flow.first.cycles))), number(round_s),
             number(static_cast<double>(run.tokens()) / round_s), number(window.bubble_share()),
             machine_name(run, window.binding()), number(static_cast<double>(hbm))});
}

// A way that cannot be: heads that do not divide, fewer layers than stages, memory.
void add_refusal(report::Table& table, const Point& point, int64_t sockets, const Error& error) {
  table.add({point.phase, fmt::to_string(point.batch),
             fmt::format("TP{} x PP{}", sockets / point.choice.stages, point.choice.stages),
             fmt::to_string(point.choice.micro_batches), "", "", "", "", error.where + ": " + error.what,
             ""});
}

Result<int> run(Session& session, const Options& options) {
  RDU_CHECK_OK(Session::expect_folder(options.output));
  Progress progress("study", session.quiet);
  RDU_ASSIGN(const auto chosen, load_chosen_node(session, options.node));
  RDU_ASSIGN(const auto model, load_chosen_model(session, options.model));
  sim::RunOptions run_options;
  run_options.fidelity = options.fidelity == "analytic" ? Fidelity::kAnalytic : Fidelity::kEvent;
  report::Table table{{"phase", "batch", "sockets as", "micro_batches", "latency_s", "interval_s",
                       "tokens_per_second", "bubble_share", "bound_by", "hbm_bytes_per_socket"},
                      {}};
  size_t refused = 0;
  const auto points = points_of(options, chosen.node.sockets);
  for (const Point& point : points) {
    progress.note(fmt::format("{} batch {}, {} stages, {} micro-batches", point.phase, point.batch,
                              point.choice.stages, point.choice.micro_batches));
    RDU_ASSIGN(const auto pass, graph_request({point.phase, point.batch, options.context, 1}, *model));
    auto done = run_pipeline(*model, chosen, {pass, point.choice, options.compile}, run_options);
    if (done.ok()) {
      add_row(table, point, *done);
      continue;
    }
    ++refused;
    add_refusal(table, point, chosen.node.sockets, done.error());
    if (refused == points.size()) return done.take_error();
  }
  RDU_CHECK_OK(session.write_csv(options.output, report::table_csv(table)));
  session.print(report::table_text(table));
  session.print(fmt::format("\n{}\n", options.output));
  RDU_CHECK_OK(session.write_json({{"model", options.model},
                                   {"context", options.context},
                                   {"columns", table.header},
                                   {"rows", table.rows}}));
  return kExitOk;
}

}  // namespace

void add_study_pipeline(CLI::App& study, Session& session) {
  auto options = std::make_shared<Options>();
  auto* command =
      study.add_subcommand("pipeline", "a node's sockets as tensor times pipeline parallelism, every way");
  command->add_option("MODEL", options->model, "a name of configs/models/ or a folder (default llama-2-70b)");
  add_node_options(*command, options->node);
  add_compile_options(*command, options->compile);
  command->add_option("--batch", options->batches, "sequences of a decode step (default 1,32)")
      ->delimiter(',')
      ->check(CLI::Range(1, 1 << 16));
  command->add_option("--context", options->context, "cached tokens, or the prompt's (default 4096)")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 20));
  command->add_option("--chunks", options->chunks, "of the prompt, beside the whole one (default 8; 1: none)")
      ->check(CLI::Range(1, 1024));
  command->add_option("--fidelity", options->fidelity, "event (default) or analytic")
      ->check(CLI::IsMember({"analytic", "event"}));
  command->add_option("-o,--output", options->output, "CSV file (default out/study-pipeline.csv)")
      ->type_name("FILE");
  command->footer(
      "Decode has a group of sequences a stage where the batch divides; interval_s is the time between steps "
      "then, latency_s the\n"
      "first passage. A way that is refused (heads, layers, memory) says why under bound_by.\n\n"
      "Example:\n"
      "  rdusim study pipeline llama-3-8b --batch 1,8 --fusion auto");
  command->callback(
      [&session, options] { session.body = [options](Session& s) { return run(s, *options); }; });
}

}  // namespace rdusim::cli
