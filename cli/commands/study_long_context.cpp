// rdusim study long-context: prefill throughput over the prompt's length, decode throughput over the
// answer's.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "cli/commands/commands.h"
#include "cli/long_context.h"
#include "report/table.h"

namespace rdusim::cli {
namespace {

struct Options {
  LongContextChoice choice;
  std::string output = "out/study-long-context.csv";
};

// Throughput over that of the last model, which is the baseline.
std::string over_baseline(const std::vector<LongContextPoint>& points, const LongContextPoint& p,
                          const std::string& baseline) {
  const auto base = find_point(points, p.node, baseline, p.phase, p.tokens);
  return base.ok() ? fmt::format("{:.3f}", p.tokens_per_s() / (*base)->tokens_per_s()) : "-";
}

Result<int> run(Session& session, const Options& options) {
  RDU_CHECK_OK(Session::expect_folder(options.output));
  Progress progress("study", session.quiet);
  RDU_ASSIGN(const auto points, long_context_points(session, options.choice, progress));
  RDU_CHECK_OK(check_overrides_used(session.config));
  const std::string& baseline = options.choice.models.back();
  report::Table table{
      {"node", "phase", "model", "tokens", "batch", "seconds", "tokens_per_s", "over_" + baseline}, {}};
  for (const LongContextPoint& p : points) {
    table.add({p.node, p.phase, p.model, fmt::to_string(p.tokens), fmt::to_string(p.batch),
               fmt::format("{:.6g}", p.seconds), fmt::format("{:.6g}", p.tokens_per_s()),
               over_baseline(points, p, baseline)});
  }
  RDU_CHECK_OK(session.write_csv(options.output, report::table_csv(table)));
  session.print(report::table_text(table));
  session.print(fmt::format("\n{}\n", options.output));
  RDU_CHECK_OK(session.write_json({{"columns", table.header}, {"rows", table.rows}}));
  return kExitOk;
}

}  // namespace

void add_study_long_context(CLI::App& study, Session& session) {
  auto options = std::make_shared<Options>();
  LongContextChoice& choice = options->choice;
  auto* command =
      study.add_subcommand("long-context", "throughput over the length of prompt and answer, of two models");
  command->add_option("--node", choice.nodes, "RDU and GPU nodes (default sn40l-8,a100)")->delimiter(',');
  command
      ->add_option("--models", choice.models, "the last is the baseline (default SAMBA 1.7B, Llama-3 1.6B)")
      ->delimiter(',');
  const auto lengths = CLI::Range(1, 1 << 24);
  command->add_option("--prompts", choice.prompts, "tokens of a prompt (default 1K to 128K)")
      ->delimiter(',')
      ->check(lengths);
  command->add_option("--answers", choice.answers, "tokens of an answer (default 1K to 128K)")
      ->delimiter(',')
      ->check(lengths);
  command->add_option("--batch", choice.batch, "sequences of a decode step (default 16)")
      ->check(CLI::Range(1, 4096));
  command->add_option("--stack", choice.stack, "software stack of RDU nodes (default: the node's)")
      ->type_name("NAME");
  command->add_option("-o,--output", options->output, "CSV file (default out/study-long-context.csv)")
      ->type_name("FILE");
  command->footer(
      "A prefill row has as many prompts as make 131072 tokens, one sequence a pass. A decode row is all "
      "steps of\n"
      "the answer, after one token.\n\n"
      "Examples:\n"
      "  rdusim study long-context\n"
      "  rdusim study long-context --node sn40l-8 --models samba-1.7b --prompts 1048576 --answers 1048576");
  command->callback(
      [&session, options] { session.body = [options](Session& s) { return run(s, *options); }; });
}

}  // namespace rdusim::cli
