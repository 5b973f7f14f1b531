// rdusim study moe: a mixture of experts cut by tensor and by expert parallelism, pass by pass.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "cli/commands/commands.h"
#include "cli/inputs.h"
#include "cli/progress.h"
#include "report/format.h"
#include "report/table.h"
#include "sim/simulator.h"

namespace rdusim::cli {
namespace {

struct Options {
  std::string model = "mixtral-8x7b";
  NodeChoice node;
  std::vector<int64_t> batches = {1, 16};  // of decode
  int64_t context = 4096;
  std::vector<int64_t> prompts = {2048};
  std::vector<int64_t> groups = {2, 4, 8};
  std::string fidelity = "event";
  std::string output = "out/study-moe.csv";
};

struct Cut {
  std::string name;
  CompileChoice compile;
};

std::vector<Cut> cuts(const std::vector<int64_t>& groups, int64_t sockets) {
  std::vector<Cut> all;
  for (const char* load : {"worst", "uniform"}) {
    CompileChoice compile;
    compile.moe_load = load;
    all.push_back({fmt::format("tensor {}", sockets), compile});
    compile.moe_parallel = "expert";
    for (const int64_t n : groups) {
      compile.expert_groups = n;
      const int64_t rest = sockets / std::max<int64_t>(1, n);
      all.push_back(
          {rest > 1 ? fmt::format("expert {} x tensor {}", n, rest) : fmt::format("expert {}", n), compile});
    }
  }
  return all;
}

std::vector<PassChoice> passes(const Options& options) {
  std::vector<PassChoice> all;
  for (const int64_t batch : options.batches) all.push_back({"decode", batch, options.context});
  for (const int64_t prompt : options.prompts) all.push_back({"prefill", 1, prompt});
  return all;
}

int64_t sum_of(const CauseCounts& bytes) {
  int64_t sum = 0;
  for (const int64_t b : bytes) sum += b;
  return sum;
}

// What binds the section that takes most of the time.
std::string bound_by(const RunResult& result) {
  const auto longest = std::max_element(
      result.sections.begin(), result.sections.end(),
      [](const SectionResult& a, const SectionResult& b) { return a.cycles() < b.cycles(); });
  return longest == result.sections.end() ? "" : longest->bound_by;
}

struct Point {
  PassChoice pass;
  Cut cut;
  double seconds = 0;
  double tensor_s = 0;       // of tensor parallelism under the same load
  int64_t weight_bytes = 0;  // read from HBM and DDR; these three: of a socket
  int64_t link_bytes = 0;
  int64_t held_bytes = 0;
  std::string bound_by;
};

Result<Point> run_point(const PassChoice& pass, const Cut& cut, const compiler::Graph& graph,
                        const ChosenNode& chosen, Fidelity fidelity) {
  RDU_ASSIGN(const Program program,
             compiler::compile(graph, chosen.node.chip,
                               compile_options(cut.compile, chosen.node.sockets, chosen.stack)));
  sim::RunOptions run_options;
  run_options.fidelity = fidelity;
  RDU_ASSIGN(const RunResult result, sim::run(program, chosen.node, chosen.stack, run_options));
  int64_t weights = 0;
  for (const Wire wire : {Wire::kHbm, Wire::kDdr})
    weights += result.bytes[static_cast<size_t>(wire)][static_cast<size_t>(Cause::kWeights)];
  return Point{pass,
               cut,
               result.latency_s(),
               0,
               weights / result.sockets,
               sum_of(result.bytes[static_cast<size_t>(Wire::kLink)]) / result.sockets,
               program.tiers[static_cast<size_t>(Tier::kHbm)].bytes,
               bound_by(result)};
}

report::Table shown_table(const std::vector<Point>& points) {
  report::Table table{{"pass", "experts cut by", "load", "time", "of tensor", "weights read", "over links",
                       "HBM held", "bound by"},
                      {}};
  const auto bytes = [](int64_t b) { return report::format_bytes(static_cast<double>(b)); };
  for (const Point& p : points) {
    table.add({p.pass.phase == "decode" ? fmt::format("decode, batch {}", p.pass.batch)
                                        : fmt::format("prefill, {} tokens", p.pass.context),
               p.cut.name, p.cut.compile.moe_load, report::format_time(p.seconds),
               fmt::format("{:.2f}", p.seconds / p.tensor_s), bytes(p.weight_bytes), bytes(p.link_bytes),
               bytes(p.held_bytes), p.bound_by});
  }
  return table;
}

report::Table file_table(const std::vector<Point>& points) {
  report::Table table{
      {"phase", "batch", "context", "moe_parallel", "expert_groups", "moe_load", "seconds", "over_tensor",
       "weight_bytes_a_socket", "link_bytes_a_socket", "hbm_bytes_a_socket", "bound_by"},
      {}};
  for (const Point& p : points) {
    table.add({p.pass.phase, fmt::to_string(p.pass.batch), fmt::to_string(p.pass.context),
               p.cut.compile.moe_parallel, fmt::to_string(p.cut.compile.expert_groups),
               p.cut.compile.moe_load, fmt::format("{:.6g}", p.seconds),
               fmt::format("{:.4f}", p.seconds / p.tensor_s), fmt::to_string(p.weight_bytes),
               fmt::to_string(p.link_bytes), fmt::to_string(p.held_bytes), p.bound_by});
  }
  return table;
}

Result<int> run(Session& session, const Options& options) {
  RDU_CHECK_OK(Session::expect_folder(options.output));
  RDU_ASSIGN(const auto chosen, load_chosen_node(session, options.node));
  RDU_ASSIGN(const auto model, load_chosen_model(session, options.model));
  Progress progress("study", session.quiet);
  const Fidelity fidelity = options.fidelity == "event" ? Fidelity::kEvent : Fidelity::kAnalytic;
  std::vector<Point> points;
  for (const PassChoice& pass : passes(options)) {
    RDU_ASSIGN(const auto request, graph_request(pass, *model));
    RDU_ASSIGN(const auto graph, model->build(request));
    double tensor_s = 0;
    for (const Cut& cut : cuts(options.groups, chosen.node.sockets)) {
      progress.note(fmt::format("{} {}, {}, {}", pass.phase, pass.batch, cut.name, cut.compile.moe_load));
      RDU_ASSIGN(Point point, run_point(pass, cut, graph, chosen, fidelity));
      if (cut.compile.moe_parallel == "tensor") tensor_s = point.seconds;
      point.tensor_s = tensor_s;
      points.push_back(std::move(point));
    }
  }
  const report::Table table = file_table(points);
  RDU_CHECK_OK(session.write_csv(options.output, report::table_csv(table)));
  session.print(report::table_text(shown_table(points)));
  session.print(fmt::format("\nBytes are those of one socket, the one with most of the experts' work\n{}\n",
                            options.output));
  RDU_CHECK_OK(session.write_json({{"columns", table.header}, {"rows", table.rows}}));
  return kExitOk;
}

}  // namespace

void add_study_moe(CLI::App& study, Session& session) {
  auto options = std::make_shared<Options>();
  auto* command = study.add_subcommand("moe", "a mixture of experts cut by tensor and by expert parallelism");
  add_node_options(*command, options->node);
  command->add_option("--model", options->model, "a mixture of experts (default mixtral-8x7b)");
  command->add_option("--batch", options->batches, "sequences of a decode step (default 1,16)")
      ->delimiter(',')
      ->check(CLI::Range(1, 1 << 16));
  command->add_option("--context", options->context, "cached tokens in decode (default 4096)")
      ->check(CLI::Range(1, 1 << 24));
  command->add_option("--prompts", options->prompts, "tokens of a prefill (default 2048)")
      ->delimiter(',')
      ->check(CLI::Range(1, 1 << 24));
  command
      ->add_option("--expert-groups", options->groups,
                   "groups of sockets among which experts are dealt out (default 2,4,8)")
      ->delimiter(',')
      ->check(CLI::Range(1, 1024));
  command->add_option("--fidelity", options->fidelity, "event (default) or analytic")
      ->check(CLI::IsMember({"analytic", "event"}));
  command->add_option("-o,--output", options->output, "CSV file (default out/study-moe.csv)")
      ->type_name("FILE");
  command->footer(
      "load: worst: any choice of experts; uniform: the mean over uniform choices, on the socket with most.\n"
      "of tensor: time over that of tensor parallelism under the same load.\n\n"
      "Examples:\n"
      "  rdusim study moe\n"
      "  rdusim study moe --model dbrx --expert-groups 8 --fidelity analytic");
  command->callback(
      [&session, options] { session.body = [options](Session& s) { return run(s, *options); }; });
}

}  // namespace rdusim::cli
