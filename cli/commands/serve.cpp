// rdusim serve: requests through a composition of experts on one or several nodes: where the time goes.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/io/file.h"
#include "cli/commands/commands.h"
#include "cli/progress.h"
#include "cli/serving.h"
#include "report/format.h"
#include "report/result_page.h"
#include "report/serving.h"
#include "runtime/scheduler/scheduler.h"

namespace rdusim::cli {
namespace {

struct Options {
  std::string composition;
  ServingChoice serving;
  std::string html;
  std::string records;
};

std::string assignment_line(const runtime::AssignmentSummary& summary) {
  std::string line;
  const auto add = [&](int64_t count, const char* how) {
    if (count > 0) line += fmt::format("{}{} {}", line.empty() ? "experts chosen: " : ", ", count, how);
  };
  add(summary.by_router, "by the router");
  add(summary.by_label, "by their label");
  add(summary.by_name, "by name");
  add(summary.by_popularity, "by popularity");
  add(summary.fallbacks, "of these fell back to the base expert");
  if (summary.labelled > 0) {
    line += fmt::format("; {} of {} labelled requests went where their label belongs", summary.labelled_right,
                        summary.labelled);
  }
  return line;
}

report::Json assignment_json(const runtime::AssignmentSummary& summary) {
  return {{"by_router", summary.by_router},
          {"by_label", summary.by_label},
          {"by_name", summary.by_name},
          {"by_popularity", summary.by_popularity},
          {"fallbacks", summary.fallbacks},
          {"labelled", summary.labelled},
          {"labelled_right", summary.labelled_right}};
}

void print_tables(const Session& session, const Serving& serving) {
  session.print(fmt::format("{}: {} requests from {}\n", serving.composition.name,
                            serving.workload.requests.size(), serving.workload.source));
  session.print(assignment_line(serving.assignment) + "\n\n");
  session.print(report::table_text(report::serving_latency_table(serving.nodes)) + "\n");
  session.print(report::table_text(report::serving_time_table(serving.nodes)) + "\n");
  if (serving.nodes.size() > 1)
    session.print(report::table_text(report::serving_speedup_table(serving.nodes)) + "\n");
  for (const auto& node : serving.nodes) {
    if (!node.flows.empty()) session.print(report::table_text(report::serving_flow_table(node)) + "\n");
  }
  const auto energies = report::serving_energy_table(serving.nodes);
  if (!energies.rows.empty()) session.print(report::table_text(energies) + "\n");
  session.print(fmt::format("{} {}\n", report::serving_sentence(serving.nodes),
                            report::switching_sentence(serving.nodes)));
}

Result<int> run(Session& session, const Options& options) {
  Progress progress("reading", session.quiet);
  RDU_ASSIGN(const Serving serving,
             serve_composition(session, options.composition, options.serving, progress));
  print_tables(session, serving);
  if (!options.records.empty()) {
    RDU_CHECK_OK(
        session.write_csv(options.records, report::table_csv(report::serving_records(serving.nodes))));
  }
  if (!session.trace_path.empty())  // a span a residency: not made in vain
    RDU_CHECK_OK(session.write_trace(report::serving_timeline(serving.nodes)));
  report::Json json;
  json["composition"] = serving.composition.name;
  json["assignment"] = assignment_json(serving.assignment);
  json.update(report::serving_json(serving.nodes));
  RDU_CHECK_OK(session.write_json(json));
  if (options.html.empty()) return kExitOk;
  RDU_ASSIGN(const auto file, report::result_of_text("the result", report::json_text(json)));
  RDU_ASSIGN(const auto page, report::result_page({file}));
  RDU_CHECK_OK(write_file_atomically(options.html, report::page_html(page, session.manifest())));
  return kExitOk;
}

std::string schedulers_help() {
  std::string text = "which expert runs next:";
  for (const auto& scheduler : runtime::schedulers())
    text += fmt::format(" {} ({});", scheduler.name, scheduler.description);
  return text + " default: the composition's";
}

std::string formats_help() {
  std::string text = "Request files (*.gz too):\n";
  for (const auto& format : runtime::workload_formats())
    text += fmt::format("  {:18} {}\n", format.name, format.description);
  return text;
}

}  // namespace

void add_serving_options(CLI::App& command, std::string& composition, ServingChoice& serving) {
  command.add_option("COMPOSITION", composition, "YAML file, or a name of configs/compositions/")->required();
  command
      .add_option("--node", serving.node, "node: a name in configs/nodes/ or a YAML file (default sn40l-8)")
      ->type_name("NODE");
  command.add_option("--compare", serving.compare, "more nodes, separated by commas, on the same requests")
      ->delimiter(',')
      ->type_name("NODE,...");
  command.add_option("--requests", serving.requests, "file of requests, or synthetic:... (see below)")
      ->required()
      ->type_name("SOURCE");
  command
      .add_option("--batch", serving.batch,
                  "requests that the router sees at once (default: the composition's)")
      ->check(CLI::Range(1, 4096));
  command
      .add_option("--prompt-tokens", serving.prompt_tokens, "prompt of every request, whatever its row says")
      ->check(CLI::Range(1, 10'000'000));
  command
      .add_option("--output-tokens", serving.output_tokens, "output of every request, whatever its row says")
      ->check(CLI::Range(1, 10'000'000));
  command
      .add_option("--popularity", serving.popularity,
                  "draw experts by uniform, round-robin or zipf:A instead of routing")
      ->type_name("LAW");
  command
      .add_option("--router", serving.router,
                  "file of rdusim router train; builtin: trained on configs/prompts/ (default for k-NN "
                  "compositions); none: by label")
      ->type_name("FILE|builtin|none");
  command.add_option("--embeddings", serving.embeddings, "vectors of the requests, .npy or safetensors")
      ->type_name("FILE");
  command.add_option("--stack", serving.stack, "software stack of RDU nodes (default: the composition's)")
      ->type_name("NAME");
  command.add_option("--fidelity", serving.fidelity, "how passes are simulated: analytic (default) or event")
      ->check(CLI::IsMember({"analytic", "event"}));
  command.add_flag(
      "--energy{public-7nm}", serving.energy,
      "also joules by cause, expert and request, from --energy=NAME in configs/energy/ or a YAML file");
  command.add_option("--scheduler", serving.scheduler, schedulers_help())->type_name("NAME");
  command
      .add_option("--eviction", serving.eviction, "which expert gives way (default: the composition's, lru)")
      ->type_name("NAME");
  command
      .add_option("--serving", serving.serving_file,
                  "YAML file of a composition's `serving` block, in its place (rdusim schema serving)")
      ->type_name("FILE");
  command
      .add_option("--groups", serving.groups,
                  "sockets of each group that holds and runs its own experts: 4,4 or 1,1,1,1,1,1,1,1")
      ->delimiter(',')
      ->type_name("N,...");
  add_moe_options(command, serving.mixtures);
  command
      .add_option("--with", serving.mechanisms,
                  "mechanisms: prefetch, flows, popularity, transition, layerwise, keep[=SHARE], "
                  "sram[=SHARE], preload")
      ->delimiter(',')
      ->type_name("NAME,...");
}

void add_serve(CLI::App& app, Session& session) {
  auto options = std::make_shared<Options>();
  auto* command =
      app.add_subcommand("serve", "serve requests with a composition of experts, on one or several nodes");
  add_serving_options(*command, options->composition, options->serving);
  command
      ->add_option("--checkpoint", options->serving.checkpoint,
                   "write the state of the serve to this file now and then, so that --resume can go on")
      ->type_name("FILE");
  command
      ->add_option("--checkpoint-every", options->serving.checkpoint_every,
                   "requests between two checkpoints (default 100000)")
      ->check(CLI::PositiveNumber);
  command->add_option("--resume", options->serving.resume, "go on from a file that --checkpoint wrote")
      ->type_name("FILE");
  command
      ->add_option("--html", options->html, "write a page with the latency split and the timeline of experts")
      ->type_name("FILE");
  command->add_option("--records", options->records, "write one CSV row a request and node")
      ->type_name("FILE");
  command->footer(
      formats_help() +
      "\nExamples:\n"
      "  rdusim serve samba-coe-v0.3 --requests configs/prompts/demo.jsonl --compare dgx-a100,dgx-h100 "
      "--html out/coe.html\n"
      "  rdusim serve llama2-7b-x150 --requests synthetic:together,n=150 --batch 8 --output-tokens 200\n"
      "  rdusim serve llama2-7b-x150 --requests trace.csv.gz --popularity zipf:0.9 --json out/trace.json\n"
      "  rdusim serve llama2-7b-x150 --requests synthetic:poisson,rate=2,n=1000 --set "
      "composition.experts.llama2-7b.count=850\n"
      "  rdusim serve llama2-7b-x150 --requests trace.csv.gz --popularity zipf:0.9 --scheduler continuous "
      "--with "
      "prefetch,layerwise --groups 4,4 --set composition.serving.ttft_objective_s=2");
  command->callback(
      [&session, options] { session.body = [options](Session& s) { return run(s, *options); }; });
}

}  // namespace rdusim::cli
