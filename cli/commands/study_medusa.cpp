// rdusim study medusa: what verifying a tree of candidates costs and gains, over the context.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "cli/commands/commands.h"
#include "cli/medusa.h"
#include "report/table.h"

namespace rdusim::cli {
namespace {

struct Options {
  MedusaChoice choice;
  std::string output = "out/study-medusa.csv";
};

Result<int> run(Session& session, const Options& options) {
  RDU_CHECK_OK(Session::expect_folder(options.output));
  Progress progress("study", session.quiet);
  RDU_ASSIGN(const auto study, medusa_study(session, options.choice, progress));
  RDU_CHECK_OK(check_overrides_used(session.config));
  report::Table table{{"context", "plain_step_s", "tree_s", "heads_s", "host_s", "overhead", "speed_up"}, {}};
  for (const MedusaStep& s : study.steps) {
    const auto number = [](double v) { return fmt::format("{:.6g}", v); };
    table.add({fmt::to_string(s.context), number(s.plain_s), number(s.tree_s), number(s.heads_s),
               number(s.host_s), fmt::format("{:.4f}", s.overhead()),
               fmt::format("{:.4f}", study.tokens_a_step / s.overhead())});
  }
  RDU_CHECK_OK(session.write_csv(options.output, report::table_csv(table)));
  session.print(fmt::format("tree of {} nodes, depth {}: {:.3f} tokens a step\n\n", study.tree.nodes().size(),
                            study.tree.depth(), study.tokens_a_step));
  session.print(report::table_text(table));
  session.print(fmt::format("\n{}\n", options.output));
  RDU_CHECK_OK(session.write_json({{"nodes", study.tree.nodes().size()},
                                   {"tokens_a_step", study.tokens_a_step},
                                   {"columns", table.header},
                                   {"rows", table.rows}}));
  return kExitOk;
}

}  // namespace

void add_study_medusa(CLI::App& study, Session& session) {
  auto options = std::make_shared<Options>();
  MedusaChoice& choice = options->choice;
  auto* command = study.add_subcommand("medusa", "decode steps that verify a tree of candidates");
  add_node_options(*command, choice.node);
  command->add_option("--model", choice.base, "base model (default vicuna-7b-v1.5)");
  command->add_option("--heads", choice.heads, "its heads (default medusa-vicuna-7b)");
  command->add_option("--tree", choice.tree, "paths of ranks, a line each (default: the published 63 paths)")
      ->type_name("FILE");
  command
      ->add_option("--accuracies", choice.accuracies, "CSV: model, head, top1, top2 ... (default: published)")
      ->type_name("FILE");
  command->add_option("--accuracy-model", choice.accuracy_model, "its rows (default vicuna-7b-v1.3)");
  command->add_option("--context", choice.contexts, "cached tokens (default 128 to 4096)")
      ->delimiter(',')
      ->check(CLI::Range(1, 1 << 20));
  command->add_option("--fidelity", choice.fidelity, "event (default) or analytic")
      ->check(CLI::IsMember({"analytic", "event"}));
  command->add_flag("--loop", choice.loop, "one launch loops over equal layers");
  command->add_flag("--prefetch", choice.prefetch,
                    "weights while a section is launched; with --loop the next layer's while one drains");
  command->add_option("-o,--output", options->output, "CSV file (default out/study-medusa.csv)")
      ->type_name("FILE");
  command->footer(
      "overhead: a step with tree and heads over a plain one; speed_up: tokens a step over it. Ranks that "
      "the\n"
      "accuracies do not cover count as never right.\n\n"
      "Example:\n"
      "  rdusim study medusa --context 1024,4096");
  command->callback(
      [&session, options] { session.body = [options](Session& s) { return run(s, *options); }; });
}

}  // namespace rdusim::cli
