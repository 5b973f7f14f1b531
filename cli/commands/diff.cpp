// rdusim diff: what changed between two results, and what explains it.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "cli/commands/commands.h"
#include "cli/explaining.h"

namespace rdusim::cli {
namespace {

struct Options {
  std::string a;
  std::string b;
};

// Of a serve result the first node's mean.
double recorded_latency_s(const Rerun& rerun) {
  const report::Json& json = *rerun.result;
  if (rerun.command == "simulate")
    return json.contains("latency_s") && json["latency_s"].is_number() ? json["latency_s"].get<double>() : 0;
  if (!json.contains("nodes") || !json["nodes"].is_object() || json["nodes"].empty()) return 0;
  const report::Json& node = json["nodes"].front();
  const bool served = node.is_object() && node.contains("latency") && node["latency"].is_object() &&
                      node["latency"].contains("mean_s") && node["latency"]["mean_s"].is_number();
  return served ? node["latency"]["mean_s"].get<double>() : 0;
}

// The result's time with its derivatives; without them, and a note why, if it cannot be made again.
report::TimeModel latency_of(Session& session, Rerun& rerun) {
  auto explained = explain_result(rerun);
  if (explained.ok()) return explained->latency;
  session.note(fmt::format("{}\n  so nothing of the change is explained by parameters\n",
                           explained.error().to_string()));
  report::TimeModel model;
  model.time_s = recorded_latency_s(rerun);
  return model;
}

Result<int> run(Session& session, const Options& options) {
  RDU_CHECK_OK(session.record_file(options.a));
  RDU_CHECK_OK(session.record_file(options.b));
  RDU_ASSIGN(const auto a, read_result(session, options.a));
  RDU_ASSIGN(const auto b, read_result(session, options.b));
  if (a->command != b->command) {
    return Error{
        ErrorCode::kInvalidInput, options.b,
        fmt::format("a result of rdusim {}, {} is one of rdusim {}", b->command, options.a, a->command),
        "compare results of one command"};
  }
  report::Difference difference;
  difference.kind = a->command;
  difference.time_name = a->command == "simulate" ? "latency" : "mean latency of the first node";
  difference.inputs = report::changed_inputs((*a->result)["manifest"], (*b->result)["manifest"],
                                             a->session.arguments, b->session.arguments);
  difference.results = report::changed_numbers(*a->result, *b->result);
  report::explain_difference(latency_of(session, *a), latency_of(session, *b), difference);
  session.print(report::difference_text(difference));
  RDU_CHECK_OK(session.write_json(report::difference_json(difference)));
  return kExitOk;
}

}  // namespace

void add_diff(CLI::App& app, Session& session) {
  auto options = std::make_shared<Options>();
  auto* command = app.add_subcommand("diff", "what changed between two results, and what explains it");
  command->add_option("A", options->a, "JSON file that rdusim simulate or serve wrote")->required();
  command->add_option("B", options->b, "another one of the same command")->required();
  command->footer(
      "Both commands are run again, from their manifests, for the derivatives of their times.\n"
      "\n"
      "Examples:\n"
      "  rdusim simulate llama-2-7b --json a.json\n"
      "  rdusim simulate llama-2-7b --set chip.hbm.bandwidth_bytes_per_s=2.0e12 --json b.json\n"
      "  rdusim diff a.json b.json");
  command->callback(
      [&session, options] { session.body = [options](Session& s) { return run(s, *options); }; });
}

}  // namespace rdusim::cli
