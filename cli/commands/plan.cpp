// rdusim plan: the fewest nodes that meet an objective, and which resource to buy next.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/arch/serving_build.h"
#include "cli/chip_execution.h"
#include "cli/commands/commands.h"
#include "cli/inputs.h"
#include "cli/progress.h"
#include "cli/serving.h"
#include "report/format.h"
#include "report/table.h"
#include "runtime/plan_requests.h"
#include "runtime/planning/capacity.h"
#include "runtime/serving/serve.h"
#include "runtime/workload/assign.h"

namespace rdusim::cli {
namespace {

struct Options {
  std::string composition;
  std::string requests;
  std::string objective;
  std::string popularity;
  NodeChoice node;
  int64_t most_nodes = 64;
};

// A resource that can be bought, and the node that has twice as much of it.
struct Resource {
  const char* name;
  void (*twice)(NodeSpec& node);
};
constexpr Resource kResources[] = {
    {"HBM capacity", [](NodeSpec& n) { n.chip.hbm.capacity_bytes *= 2; }},
    {"HBM bandwidth", [](NodeSpec& n) { n.chip.hbm.bandwidth_bytes_per_s *= 2; }},
    {"DDR-to-HBM bandwidth", [](NodeSpec& n) { n.chip.dma_bandwidth_bytes_per_s *= 2; }},
    {"clock (compute, SRAM, network)", [](NodeSpec& n) { n.chip.clock_hz *= 2; }},
};

// Serves shares on one kind of node.
class Server {
 public:
  Server(NodeSpec node, StackSpec stack, SequenceBucket bucket, const Session& session, ModelLibrary& library,
         const runtime::Composition& composition, const runtime::RequestPlans* plans, Progress& progress)
      : execution_(std::move(node), std::move(stack), Fidelity::kAnalytic, library,
                   [&progress](const std::string& what) { progress.note("simulating " + what); }),
        composition_(composition),
        plans_(plans) {
    execution_.set_sequence_bucket(
        bucket, [&session](const std::string& model) { return load_context_tokens(session, model); });
  }

  Result<std::vector<runtime::RequestRecord>> operator()(const runtime::Share& share) {
    runtime::ServeOptions options;
    options.engine = composition_.serving;
    options.scheduler = composition_.serving.scheduler;
    options.eviction = composition_.serving.eviction;
    runtime::RequestPlans plans;
    if (plans_ != nullptr) {
      plans = runtime::plans_of(*plans_, share.numbers);
      options.plans = &plans;
    }
    RDU_ASSIGN(auto result, runtime::serve(execution_, composition_, share.workload, options));
    if (result.status == runtime::NodeStatus::kOutOfMemory) {
      return Error{ErrorCode::kCapacity, result.node, result.reason,
                   "a node holds every expert of its share's composition; take a larger node"};
    }
    return std::move(result.records);
  }

 private:
  ChipExecution execution_;
  const runtime::Composition& composition_;
  const runtime::RequestPlans* plans_;  // null: no flows
};

Result<runtime::Workload> load(Session& session, const runtime::Composition& composition,
                               const Options& options) {
  runtime::WorkloadOptions how;
  how.defaults = composition.request;
  how.seed = session.seed;
  RDU_ASSIGN(auto workload, runtime::load_workload(options.requests, how));
  if (workload.format != "synthetic") RDU_CHECK_OK(session.record_file(options.requests));
  runtime::AssignmentOptions assignment;
  assignment.seed = session.seed;
  if (!options.popularity.empty()) {
    RDU_ASSIGN(assignment.popularity, runtime::parse_popularity(options.popularity));
  }
  RDU_CHECK_OK([&]() -> Status {
    auto assigned = runtime::assign_experts(workload, composition, assignment);
    return assigned.ok() ? Status() : Status(assigned.take_error());
  }());
  return workload;
}

report::Json point_json(const runtime::PlanPoint& point) {
  report::Json values = report::Json::array();
  for (const auto& clause : point.value.clauses)
    values.push_back({{"value_s", clause.value_s}, {"met", clause.met}});
  return {{"nodes", point.nodes},
          {"dealing", std::string(runtime::dealing_name(point.dealing))},
          {"met", point.value.met},
          {"failed", point.value.failed},
          {"clauses", values}};
}

std::vector<std::string> point_cells(std::string first, const runtime::PlanPoint& point) {
  std::vector<std::string> cells{std::move(first), std::string(runtime::dealing_name(point.dealing))};
  for (const auto& clause : point.value.clauses) cells.push_back(report::format_time(clause.value_s));
  cells.emplace_back(point.value.met ? "yes" : "no");
  return cells;
}

report::Table objective_table(const std::string& first, const runtime::Objective& objective) {
  report::Table table{{first, "dealing"}, {}};
  for (const auto& clause : objective.clauses) table.header.push_back(clause.to_string());
  table.header.emplace_back("met");
  return table;
}

Result<int> run(Session& session, const Options& options) {
  RDU_ASSIGN(const runtime::Objective objective, runtime::parse_objective(options.objective));
  RDU_ASSIGN(const auto composition, runtime::load_composition(session.config, options.composition));
  if (!composition.serving.groups.empty()) {
    return Error{ErrorCode::kUnsupported, options.composition,
                 "its serving block divides the sockets into groups",
                 "planning serves whole nodes: leave serving.groups out"};
  }
  NodeChoice choice = options.node;
  if (choice.stack.empty()) choice.stack = composition.stack;
  RDU_ASSIGN(const ChosenNode chosen, load_chosen_node(session, choice));
  RDU_ASSIGN(const SequenceBucket bucket, load_sequence_bucket(session.config, choice.node, choice.stack));
  RDU_ASSIGN(const auto workload, load(session, composition, options));
  ModelLibrary library = model_library(session);
  Progress progress("planning", session.quiet);
  std::optional<runtime::RequestPlans> flows;
  if (!composition.flows.empty()) {
    RDU_ASSIGN(flows, runtime::plan_requests(workload, composition, session.seed));
  }
  const runtime::RequestPlans* plans = flows ? &*flows : nullptr;
  Server server(chosen.node, chosen.stack, bucket, session, library, composition, plans, progress);
  RDU_ASSIGN(const auto plan,
             runtime::plan_capacity(workload, objective, options.most_nodes, std::ref(server)));

  report::Table tried = objective_table("nodes", objective);
  report::Json json;
  json["objective"] = objective.to_string();
  json["tried"] = report::Json::array();
  for (const auto& point : plan.tried) {
    tried.add(point_cells(fmt::to_string(point.nodes), point));
    json["tried"].push_back(point_json(point));
  }
  session.print(report::table_text(tried) + "\n");
  const runtime::PlanPoint& base = plan.fewest ? *plan.fewest : plan.tried.back();
  json["nodes"] = plan.fewest ? report::Json(plan.fewest->nodes) : report::Json(nullptr);
  session.print(
      plan.fewest ? fmt::format("{} of {} meet: {}\n\n", base.nodes, chosen.node.name, objective.to_string())
                  : fmt::format("not met with {} of {}: {}\n\n", base.nodes, chosen.node.name,
                                objective.to_string()));

  // Twice of one resource, everything else as it is, on as many nodes.
  report::Table resources = objective_table("twice the", objective);
  json["resources"] = report::Json::array();
  const Resource* best = nullptr;
  double best_share = base.value.worst_share;
  for (const Resource& resource : kResources) {
    NodeSpec node = chosen.node;
    resource.twice(node);
    Server richer(node, chosen.stack, bucket, session, library, composition, plans, progress);
    RDU_ASSIGN(const auto point, runtime::try_nodes(workload, objective, base.nodes, std::ref(richer)));
    resources.add(point_cells(resource.name, point));
    json["resources"].push_back(point_json(point));
    json["resources"].back()["resource"] = resource.name;
    if (point.value.worst_share < best_share) {
      best = &resource;
      best_share = point.value.worst_share;
    }
  }
  session.print(report::table_text(resources) + "\n");
  json["buy_next"] = best == nullptr ? report::Json(nullptr) : report::Json(best->name);
  session.print(best == nullptr ? std::string("No single resource helps.\n")
                                : fmt::format("Buy next: {} ({} of the limit instead of {}).\n", best->name,
                                              report::format_percent(best_share),
                                              report::format_percent(base.value.worst_share)));
  RDU_CHECK_OK(session.write_json(json));
  return plan.fewest ? kExitOk : kExitFellShort;
}

}  // namespace

void add_plan(CLI::App& app, Session& session) {
  auto options = std::make_shared<Options>();
  auto* command = app.add_subcommand("plan", "the fewest nodes that meet an objective, and what to buy next");
  command->add_option("--composition", options->composition, "a name in configs/compositions/ or a YAML file")
      ->required();
  command->add_option("--requests", options->requests, "a trace, a specification (*.yaml), or synthetic:...")
      ->required();
  command
      ->add_option("--objective", options->objective,
                   "for example \"p95 ttft < 0.5 s and mean tpot < 20 ms\"")
      ->required();
  command->add_option("--popularity", options->popularity, "draw the experts by this law");
  command->add_option("--most-nodes", options->most_nodes, "give up beyond this many (default 64)")
      ->check(CLI::Range(int64_t{1}, int64_t{4096}));
  add_node_options(*command, options->node);
  command->footer(
      "Example:\n  rdusim plan --composition llama2-7b-x150 --requests "
      "synthetic:poisson,n=200,rate=20,popularity=zipf:0.9 "
      "--objective \"p95 ttft < 0.5 s\"");
  command->callback(
      [&session, options] { session.body = [options](Session& s) { return run(s, *options); }; });
}

}  // namespace rdusim::cli
