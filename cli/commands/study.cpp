// rdusim study switching: what each mechanism beyond plain eviction gains, over a grid of experts, batches,
// popularity laws, eviction policies and nodes. One table, one row a run.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <functional>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/io/file.h"
#include "cli/commands/commands.h"
#include "cli/progress.h"
#include "cli/serving.h"
#include "cli/study_page.h"
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
  int64_t requests = 20'000;
  double rate_per_s = 5;
  std::string stack;  // empty: the composition's
  std::string output = "out/study-switching.csv";
  std::string html;  // empty: beside the CSV
};

// A way of serving that the study compares. The first is the one that gains are measured against.
struct Variant {
  const char* name;
  const char* scheduler;
  std::vector<std::string> mechanisms;
  const char* eviction = nullptr;  // in place of the point's
};

const std::vector<Variant>& variants() {
  static const std::vector<Variant> all = {
      {"alone", "sequential", {}},
      {"prefetch", "sequential", {"prefetch"}},
      {"popularity", "sequential", {"popularity"}},
      {"transition", "sequential", {"transition"}},
      {"layerwise", "sequential", {"layerwise"}},
      {"keep", "sequential", {"keep=0.03"}},  // the first layer of 32
      {"sram", "sequential", {"sram"}},
      {"preload", "sequential", {"preload"}},
      {"prefetch+popularity", "sequential", {"prefetch", "popularity"}},
      {"layerwise+keep", "sequential", {"layerwise", "keep=0.03"}},
      {"prefetch+popularity+layerwise", "sequential", {"prefetch", "popularity", "layerwise"}},
      {"all", "sequential", {"prefetch", "popularity", "layerwise", "keep=0.03"}},
      {"lfu", "sequential", {}, "lfu"},
      {"prefetch+popularity+layerwise, lfu", "sequential", {"prefetch", "popularity", "layerwise"}, "lfu"},
      {"continuous", "continuous", {}},
      {"collate", "collate", {}},
      {"lookahead", "lookahead", {}},
      {"lookahead+prefetch", "lookahead", {"prefetch"}},
      {"lookahead+all", "lookahead", {"prefetch", "popularity", "layerwise", "keep=0.03"}},
  };
  return all;
}

using Point = StudyPoint;

report::Table header() {
  return {{"node", "experts", "popularity", "eviction", "batch", "variant", "switching_mean_s", "gain",
           "switching_p99_s", "ttft_mean_s", "ttft_p99_s", "latency_mean_s", "hit_rate", "byte_hit_rate",
           "switches_per_request", "prefetch_wasted_bytes", "slowed_by_copies_s", "saturated"},
          {}};
}

void add_row(report::Table& table, const Point& p, const std::string& variant, double alone_s,
             const runtime::NodeResult& r) {
  const auto number = [](double v) { return fmt::format("{}", v); };
  const double mean_s = r.split.switching_s;
  const std::string gain = mean_s > 0 ? fmt::format("{:.2f}", alone_s / mean_s) : "no switching left";
  table.add({p.node, number(static_cast<double>(p.experts)), p.popularity, p.eviction,
             number(static_cast<double>(p.batch)), variant, number(mean_s), gain, number(r.switching.p99_s),
             number(r.time_to_first_token.mean_s), number(r.time_to_first_token.p99_s),
             number(r.latency.mean_s), number(r.expert_hit_rate), number(r.expert_byte_hit_rate),
             number(r.switches_per_request), fmt::to_string(r.prefetch_wasted_bytes),
             number(r.slowed_by_copies_s), r.saturated ? "yes" : "no"});
}

void add_bound(report::Table& table, const Point& p, double alone_s, double bound_s) {
  table.add({p.node, fmt::to_string(p.experts), p.popularity, p.eviction, fmt::to_string(p.batch), "(bound)",
             fmt::format("{}", bound_s), bound_s > 0 ? fmt::format("{:.2f}", alone_s / bound_s) : "no end"});
  table.rows.back().resize(table.header.size());
}

Result<runtime::Workload> make_workload(Session& session, const runtime::Composition& composition,
                                        const Options& options, const std::string& popularity) {
  const std::string source =
      fmt::format("synthetic:poisson,rate={},n={}", options.rate_per_s, options.requests);
  RDU_ASSIGN(auto workload, runtime::load_workload(source, {composition.request, session.seed}));
  runtime::AssignmentOptions assignment;
  assignment.seed = session.seed;
  RDU_ASSIGN(assignment.popularity, runtime::parse_popularity(popularity));
  RDU_ASSIGN([[maybe_unused]] const auto summary, runtime::assign_experts(workload, composition, assignment));
  return workload;
}

// What the mechanisms cannot go below with one stream of passes, as a mean over requests. Experts are drawn
// one by one and independently, so no cache that does not know the draws misses less often than the one that
// holds the most popular experts. A request that finds the node idle is known only when its router pass ends;
// if its expert is missing, then at best its prefill, but for the last layer, runs beside the copy, and first
// layers that are kept need no copy but take room from whole experts. A request that finds the node at work
// may hide all. The node is at work for at least the time of the passes themselves: `alone` says how long.
double switching_bound_s(const runtime::Workload& workload, const runtime::NodeResult& alone,
                         const runtime::ExecutionModel& execution, int64_t layers) {
  std::vector<double> asked(alone.experts.size(), 0);
  for (const auto& request : workload.requests) ++asked[request.expert->value];
  std::sort(asked.begin(), asked.end(), std::greater<>());
  const runtime::NodeMemory memory = execution.memory();
  const auto n = static_cast<double>(workload.requests.size());
  const auto bytes = static_cast<double>(alone.experts.front().weight_bytes);
  const auto& t = alone.node_time;
  const double idle = 1 - (t.routing_s + t.prefill_s + t.decode_s) / alone.makespan_s;
  const double hidden_s = alone.split.prefill_s * (1 - 1 / static_cast<double>(layers));
  double least_s = std::numeric_limits<double>::infinity();
  for (int percent = 0; percent < 100; ++percent) {
    const double kept = percent / 100.0;
    const double room =
        static_cast<double>(alone.memory.cache_bytes) - kept * bytes * static_cast<double>(asked.size());
    if (room < (1 - kept) * bytes) break;
    const auto held = std::min(asked.size(), static_cast<size_t>(room / ((1 - kept) * bytes)));
    double missed = 0;
    for (size_t e = held; e < asked.size(); ++e) missed += asked[e] / n;
    const double copy_s = seconds(memory.switch_setup) + (1 - kept) * bytes / memory.switch_bandwidth.value;
    least_s = std::min(least_s, std::max(0.0, idle) * missed * std::max(0.0, copy_s - hidden_s));
  }
  return least_s;
}

struct Study {
  report::Table table;
  std::vector<StudyRun> runs;
};

Status run_point(const runtime::Composition& composition, const runtime::Workload& workload,
                 const ServingNode& node, const Point& point, Study& study) {
  double alone_s = 0;
  double bound_s = 0;
  for (const Variant& variant : variants()) {
    runtime::ServeOptions options;
    options.engine = composition.serving;
    options.batch = point.batch;
    options.scheduler = variant.scheduler;
    options.eviction = variant.eviction == nullptr ? point.eviction : variant.eviction;
    for (const std::string& mechanism : variant.mechanisms)
      RDU_CHECK_OK(set_mechanism(options.engine, mechanism));
    RDU_ASSIGN(const auto result, runtime::serve_groups(node.groups, composition, workload, options));
    if (result.status != runtime::NodeStatus::kServed)
      return Error{ErrorCode::kCapacity, point.node, result.reason, "study fewer experts, or another node"};
    if (&variant == &variants().front()) {
      alone_s = result.split.switching_s;
      RDU_ASSIGN(const int64_t layers,
                 node.groups.front().execution->layers(composition.experts.front().model));
      bound_s = switching_bound_s(workload, result, *node.groups.front().execution, layers);
    }
    add_row(study.table, point, variant.name, alone_s, result);
    study.runs.push_back({point, variant.name, result.split, bound_s});
  }
  add_bound(study.table, point, alone_s, bound_s);
  return {};
}

Result<int> run(Session& session, const Options& options) {
  Progress progress("study", session.quiet);
  RDU_ASSIGN(runtime::Composition composition,
             runtime::load_composition(session.config, options.composition));
  ModelLibrary library = model_library(session);
  Study result{header(), {}};
  ServingChoice choice;
  choice.stack = options.stack;
  for (const std::string& name : options.nodes) {
    RDU_ASSIGN(const ServingNode node,
               make_serving_node(session, name, choice, composition, library, progress));
    for (const int64_t experts : options.experts) {
      composition.experts.front().count = experts;
      for (const std::string& popularity : options.popularity) {
        RDU_ASSIGN(const auto workload, make_workload(session, composition, options, popularity));
        for (const std::string& eviction : options.eviction) {
          for (const int64_t batch : options.batches) {
            progress.note(fmt::format("{}: {} experts, {}, batch {}", name, experts, popularity, batch));
            RDU_CHECK_OK(
                run_point(composition, workload, node, {name, experts, popularity, eviction, batch}, result));
          }
        }
      }
    }
  }
  RDU_CHECK_OK(check_overrides_used(session.config));
  const report::Table& table = result.table;
  RDU_CHECK_OK(session.write_csv(options.output, report::table_csv(table)));
  const auto page = study_page(composition.name, result.runs, report::table_html(table));
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
  command->add_option("--requests", options->requests, "of a run (default 20000)")
      ->check(CLI::Range(1, 100'000'000));
  command->add_option("--rate", options->rate_per_s, "requests a second, Poisson (default 5)")
      ->check(CLI::PositiveNumber);
  command->add_option("--stack", options->stack, "software stack of RDU nodes (default: the composition's)")
      ->type_name("NAME");
  command->add_option("--html", options->html, "page of plots (default: the CSV's name with .html)")
      ->type_name("FILE");
  command->add_option("-o,--output", options->output, "CSV file (default out/study-switching.csv)")
      ->type_name("FILE");
  command->footer(
      "switching_mean_s is over all finished requests; gain is that of eviction alone over it. (bound): what "
      "none "
      "of the mechanisms can go below.\n\n"
      "Example:\n"
      "  rdusim study switching --experts 50,150,850 --batch 1,8 --popularity zipf:0.9,uniform");
  command->callback(
      [&session, options] { session.body = [options](Session& s) { return run(s, *options); }; });
}

}  // namespace rdusim::cli
