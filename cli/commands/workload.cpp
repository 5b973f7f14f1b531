// rdusim workload show|generate: what a workload holds, and a generated one as a CSV file.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/io/file.h"
#include "cli/commands/commands.h"
#include "report/format.h"
#include "report/table.h"
#include "runtime/workload/statistics.h"
#include "runtime/workload/workload.h"

namespace rdusim::cli {
namespace {

struct Options {
  std::string source;
  std::string output;
  int64_t prompt_tokens = 128;  // as the compositions' default shape
  int64_t output_tokens = 20;
};

Result<runtime::Workload> load(Session& session, const Options& options) {
  runtime::WorkloadOptions how;
  how.defaults = {options.prompt_tokens, options.output_tokens};
  how.seed = session.seed;
  RDU_ASSIGN(auto workload, runtime::load_workload(options.source, how));
  if (std::filesystem::exists(options.source)) RDU_CHECK_OK(session.record_file(options.source));
  return workload;
}

report::Json quantiles_json(const runtime::Quantiles& q) {
  return {{"mean", q.mean}, {"p50", q.p50}, {"p90", q.p90}, {"p99", q.p99}, {"max", q.max}};
}

Result<int> run_show(Session& session, const Options& options) {
  RDU_ASSIGN(const auto workload, load(session, options));
  const auto s = runtime::workload_statistics(workload);
  session.print(fmt::format("{} ({}): {} requests of {} tenants over {}, {} loop\n", options.source,
                            workload.format, s.requests, s.tenants, report::format_time(s.span_s),
                            workload.closed_loop ? "closed" : "open"));
  session.print(fmt::format("rate {} a second, coefficient of variation of the gaps {}\n\n",
                            report::format_number(s.rate_per_s), report::format_number(s.gap_cv)));
  report::Table table{{"", "mean", "p50", "p90", "p99", "max"}, {}};
  const auto row = [&](const std::string& name, const runtime::Quantiles& q) {
    table.add({name, report::format_number(q.mean), fmt::to_string(q.p50), fmt::to_string(q.p90),
               fmt::to_string(q.p99), fmt::to_string(q.max)});
  };
  row("prompt tokens", s.prompt_tokens);
  row("output tokens", s.output_tokens);
  session.print(report::table_text(table) + "\n");
  if (s.conversations > 0) session.print(fmt::format("{} conversations\n", s.conversations));
  if (s.functions > 0) session.print(fmt::format("{} functions\n", s.functions));
  session.print(fmt::format(
      "{} of the prompts' whole blocks of {} tokens were seen before\n",
      report::format_percent(
          s.blocks == 0 ? 0 : static_cast<double>(s.blocks_seen_before) / static_cast<double>(s.blocks)),
      runtime::kPrefixBlockTokens));
  report::Json json = {{"requests", s.requests},
                       {"tenants", s.tenants},
                       {"span_s", s.span_s},
                       {"rate_per_s", s.rate_per_s},
                       {"gap_cv", s.gap_cv},
                       {"prompt_tokens", quantiles_json(s.prompt_tokens)},
                       {"output_tokens", quantiles_json(s.output_tokens)},
                       {"conversations", s.conversations},
                       {"functions", s.functions},
                       {"prefix_blocks", s.blocks},
                       {"prefix_blocks_seen_before", s.blocks_seen_before}};
  RDU_CHECK_OK(session.write_json(json));
  return kExitOk;
}

Result<int> run_generate(Session& session, const Options& options) {
  RDU_ASSIGN(const auto workload, load(session, options));
  if (!workload.follows.empty()) {
    return Error{ErrorCode::kUnsupported, options.source,
                 "a CSV row cannot say which conversation or client a request belongs to",
                 "serve the specification itself: rdusim serve ... --requests " + options.source};
  }
  std::string csv = "arrival_s,tenant,prompt_tokens,output_tokens\n";
  for (const auto& r : workload.requests) {
    const int64_t ps = r.arrival.value;
    constexpr int64_t kPerSecond = 1'000'000'000'000;
    csv += fmt::format("{}.{:012},", ps / kPerSecond, ps % kPerSecond);
    csv += report::csv_line(
        {workload.tenants[r.tenant.value], fmt::to_string(r.prompt_tokens), fmt::to_string(r.output_tokens)});
  }
  RDU_CHECK_OK(session.write_csv(options.output, csv));
  session.print(fmt::format("{}: {} requests\n", options.output, workload.requests.size()));
  RDU_CHECK_OK(session.write_json({{"requests", workload.requests.size()}, {"file", options.output}}));
  return kExitOk;
}

}  // namespace

void add_workload(CLI::App& app, Session& session) {
  auto* workload = app.add_subcommand("workload", "request traces and generated requests");
  workload->require_subcommand(1);
  const auto declare = [&](const char* name, const char* what, Result<int> (*run)(Session&, const Options&)) {
    auto options = std::make_shared<Options>();
    auto* command = workload->add_subcommand(name, what);
    command->add_option("SOURCE", options->source, "a trace, a specification (*.yaml), or synthetic:...")
        ->required();
    command->add_option("--prompt-tokens", options->prompt_tokens, "of rows that do not say (default 128)")
        ->check(CLI::PositiveNumber);
    command->add_option("--output-tokens", options->output_tokens, "of rows that do not say (default 20)")
        ->check(CLI::PositiveNumber);
    if (run == run_generate) {
      command->add_option("--output", options->output, "CSV file to write")->required()->type_name("FILE");
    }
    command->callback(
        [&session, options, run] { session.body = [options, run](Session& s) { return run(s, *options); }; });
    return command;
  };
  std::string formats = "Formats:\n";
  for (const auto& format : runtime::workload_formats())
    formats += fmt::format("  {:21} {}\n", format.name, format.description);
  declare("show", "rate, bursts, lengths and shared prefixes of a workload", run_show)
      ->footer(formats + "\nExample:\n  rdusim workload show configs/workloads/chat-day.yaml");
  declare("generate", "write generated requests as CSV", run_generate)
      ->footer(
          "Example:\n  rdusim workload generate synthetic:gamma,n=100,rate=2,cv=3 --output requests.csv");
}

}  // namespace rdusim::cli
