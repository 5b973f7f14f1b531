// The keys of a composition file: parser, range checks, JSON schema and docs table from one description.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/io/fields.h"
#include "runtime/composition.h"
#include "runtime/workload/popularity.h"

namespace rdusim::runtime {
namespace {

// Sanity bounds: they catch a slipped exponent.
constexpr IntegerRange kTokens{1, 10'000'000};
constexpr IntegerRange kTokensOrNone{0, 10'000'000};

const Fields<ExpertSpec>& expert_fields() {
  static const auto fields =
      Fields<ExpertSpec>("expert", "an expert model, or replicas of one shape")
          .text("name", &ExpertSpec::name, "unique; replicas get -0, -1, ... behind it")
          .text("model", &ExpertSpec::model, "folder of configs/models/, or a path to one")
          .integer("count", &ExpertSpec::count, {1, 100'000}, "experts",
                   "replicas of equal shape and different weights")
          .optional()
          .texts("labels", &ExpertSpec::labels, "kinds of request that the expert serves")
          .optional()
          .text("domain", &ExpertSpec::domain, "what it is for, in words")
          .optional()
          .real("parameters_b", &ExpertSpec::parameters_b, {0, 1e6}, "10^9",
                "parameters, for budgets; 0: not said")
          .optional()
          .boolean("answers", &ExpertSpec::answers, "false: only flows reach it")
          .optional()
          .check([](const ExpertSpec& e) -> std::string {
            if (e.name.empty()) return "the expert's name is empty";
            if (e.model.empty()) return fmt::format("expert {} names no model", e.name);
            return e.count > 1 && !e.labels.empty()
                       ? fmt::format("expert {}: replicas cannot share labels", e.name)
                       : "";
          });
  return fields;
}

const Fields<KnnSpec>& knn_fields() {
  static const auto fields =
      Fields<KnnSpec>("knn", "the nearest-neighbour step of the router")
          .integer("stored_vectors", &KnnSpec::stored_vectors, {1, 100'000'000}, "vectors",
                   "as timed, until a trained router brings its own number")
          .integer("dimensions", &KnnSpec::dimensions, {1, 1 << 20}, "numbers",
                   "of the embedding model that is timed")
          .integer("k", &KnnSpec::k, {1, 1 << 16}, "neighbours",
                   "as timed, until a trained router brings its own")
          .text("weighting", &KnnSpec::weighting, "weight of a neighbour's vote")
          .choices({std::begin(kVoteWeightingNames), std::end(kVoteWeightingNames)})
          .integers("k_grid", &KnnSpec::k_grid, {1, 1 << 16}, "neighbours",
                    "values of k that training chooses from")
          .real("max_detection_loss", &KnnSpec::max_detection_loss, {0, 1}, "",
                "share of known validation rows that training's threshold may lose to fall-back")
          .check([](const KnnSpec& k) -> std::string { return k.k_grid.empty() ? "k_grid is empty" : ""; });
  return fields;
}

std::string check_router(const RouterSpec& r) {
  if (r.runs == "none" && !r.model.empty()) return "router: a model is named but runs: none";
  if (r.runs != "none" && r.model.empty()) return fmt::format("router: runs: {} needs a model", r.runs);
  if (r.runs == "generate" && r.output_tokens < 1)
    return "router: runs: generate needs output_tokens of at least 1";
  if (r.runs != "generate" && r.output_tokens > 0)
    return fmt::format("router: runs: {} has no output_tokens", r.runs);
  if (r.kind == "knn" && r.knn.k < 1) return "router: kind: knn needs a knn block";
  if (r.kind != "knn" && r.knn.k > 0) return fmt::format("router: kind: {} has no knn block", r.kind);
  if ((r.kind == "category") != !r.categories.empty())
    return "router: kind: category and categories go together";
  if ((r.kind == "category") != (r.parameter_budget_b > 0))
    return "router: kind: category and parameter_budget_b go together";
  if (r.kind == "popularity") {
    const auto law = parse_popularity(r.popularity);
    return law.ok() ? "" : "router popularity: " + law.error().what;
  }
  return r.popularity.empty() ? "" : fmt::format("router: kind: {} has no popularity", r.kind);
}

const Fields<RouterSpec>& router_fields() {
  static const auto fields =
      Fields<RouterSpec>("router", "what decides which expert answers, and what that costs")
          .text("kind", &RouterSpec::kind, "how the expert is found")
          .choices({"knn", "trace", "popularity", "category"})
          .text("runs", &RouterSpec::runs, "the pass that is timed once per batch")
          .choices({"embed", "generate", "none"})
          .text("model", &RouterSpec::model, "folder of configs/models/ of the model that runs")
          .optional()
          .integer("prompt_tokens", &RouterSpec::prompt_tokens, kTokensOrNone, "tokens",
                   "that the router reads; 0: the longest prompt of the batch")
          .optional()
          .integer("output_tokens", &RouterSpec::output_tokens, kTokensOrNone, "tokens", "that it generates")
          .optional()
          .text("popularity", &RouterSpec::popularity, "law of kind popularity: uniform, round-robin, zipf:A")
          .optional()
          .text("reads", &RouterSpec::reads, "what of a later turn the router sees")
          .choices({"conversation", "message"})
          .optional()
          .nested("knn", &RouterSpec::knn, knn_fields())
          .optional()
          .real("parameter_budget_b", &RouterSpec::parameter_budget_b, {0, 1e9}, "10^9",
                "kind category: parameters of all chosen experts together")
          .optional()
          .list("categories", &RouterSpec::categories, category_fields())
          .optional()
          .check(check_router);
  return fields;
}

const Fields<RequestShape>& request_fields() {
  static const auto fields =
      Fields<RequestShape>("request", "shape of a request whose workload row does not say")
          .integer("prompt_tokens", &RequestShape::prompt_tokens, kTokens, "tokens", "of the prompt")
          .integer("output_tokens", &RequestShape::output_tokens, kTokens, "tokens", "of the answer");
  return fields;
}

// Experts that flows and categories name.
std::string check_references(const Composition& c, const std::set<std::string>& names) {
  std::set<std::string> flows;
  std::set<std::string> labels;
  for (const FlowSpec& flow : c.flows) {
    if (!flows.insert(flow.name).second) return fmt::format("two flows are called {}", flow.name);
    for (const std::string& label : flow.labels) {
      if (!labels.insert(label).second) return fmt::format("label {} takes two flows", label);
    }
    for (const FlowStep& step : flow.steps) {
      if (step.expert == kAssignedExpert || step.expert == kRoutedExpert) continue;
      const auto named = std::find_if(c.experts.begin(), c.experts.end(), [&](const ExpertSpec& e) {
        return e.name == step.expert && e.count == 1;
      });
      if (named != c.experts.end()) continue;
      return fmt::format("flow {}: step {} runs {}, which is not one expert", flow.name, step.name,
                         step.expert);
    }
  }
  std::set<std::string> categories;
  for (const CategorySpec& category : c.router.categories) {
    if (!categories.insert(category.name).second)
      return fmt::format("two categories are called {}", category.name);
    for (const CategoryCandidate& candidate : category.candidates) {
      if (names.count(candidate.expert) == 0)
        return fmt::format("category {}: {} is not one of the experts", category.name, candidate.expert);
      for (const ExpertSpec& e : c.experts) {
        if (e.name != candidate.expert) continue;
        if (e.parameters_b <= 0 || e.count > 1)
          return fmt::format("category {}: expert {} needs parameters_b and no replicas", category.name,
                             e.name);
      }
    }
  }
  const bool any_answers =
      std::any_of(c.experts.begin(), c.experts.end(), [](const auto& e) { return e.answers; });
  return any_answers ? "" : "no expert answers";
}

std::string check_experts(const Composition& c) {
  if (c.experts.empty()) return "the composition has no experts";
  std::set<std::string> names;
  std::set<std::string> labels;
  for (const ExpertSpec& e : c.experts) {
    if (!names.insert(e.name).second) return fmt::format("two experts are called {}", e.name);
    for (const std::string& label : e.labels) {
      if (!labels.insert(label).second) return fmt::format("label {} is served by two experts", label);
    }
  }
  const std::string wrong = check_references(c, names);
  if (!wrong.empty()) return wrong;
  if (c.base_expert.empty()) return "";
  if (names.count(c.base_expert) == 0)
    return fmt::format("base_expert {} is not one of the experts", c.base_expert);
  for (const ExpertSpec& e : c.experts) {
    if (e.name == c.base_expert && e.count > 1) return fmt::format("base_expert {} is replicated", e.name);
  }
  return "";
}

const Fields<Composition>& composition_fields() {
  static const auto fields =
      Fields<Composition>("composition", "a Composition of Experts")
          .text("name", &Composition::name, "shown in results")
          .text("description", &Composition::description, "one sentence")
          .list("experts", &Composition::experts, expert_fields())
          .text("base_expert", &Composition::base_expert, "expert that answers when the router is unsure")
          .optional()
          .nested("router", &Composition::router, router_fields())
          .list("flows", &Composition::flows, flow_fields())
          .optional()
          .nested("request", &Composition::request, request_fields())
          .text("stack", &Composition::stack, "software stack of the RDU nodes")
          .integer("batch", &Composition::batch, {1, 4096}, "requests", "that the router sees at once")
          .nested("serving", &Composition::serving, engine_fields())
          .optional()
          .check(check_experts)
          .check([](const Composition& c) -> std::string {
            const bool labelled = std::any_of(c.experts.begin(), c.experts.end(),
                                              [](const auto& e) { return !e.labels.empty(); });
            return c.router.kind == "knn" && !labelled ? "router kind: knn needs experts with labels" : "";
          });
  return fields;
}

}  // namespace

Result<Composition> parse_composition(const DocumentNode& root) {
  return composition_fields().parse(root);
}
std::string dump_composition(const Composition& composition) {
  return composition_fields().dump(composition);
}
std::string composition_json_schema() {
  return composition_fields().json_schema();
}
std::string composition_docs_table() {
  return composition_fields().docs_table();
}

}  // namespace rdusim::runtime
