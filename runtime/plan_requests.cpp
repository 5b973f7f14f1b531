// Expansion of requests into plans.
#include "runtime/plan_requests.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "runtime/workload/reader.h"
#include "runtime/workload/sampling.h"

namespace rdusim::runtime {
namespace {

// A flow with its names looked up.
struct Step {
  const FlowStep* spec = nullptr;
  std::optional<ExpertId> expert;  // absent: assigned or routed
  bool routed = false;
  std::vector<uint32_t> after;
  bool answers = true;
};

std::vector<Step> resolve(const FlowSpec& flow, const ExpertRoster& roster) {
  std::vector<Step> steps;
  for (uint32_t i = 0; i < flow.steps.size(); ++i) {
    const FlowStep& spec = flow.steps[i];
    Step step;
    step.spec = &spec;
    step.routed = spec.expert == kRoutedExpert;
    if (!step.routed && spec.expert != kAssignedExpert) {
      step.expert = roster.find(spec.expert);
      RDU_CHECK(step.expert, "flow {} names expert {}", flow.name, spec.expert);  // check_experts saw to it
    }
    if (spec.after.empty() && i > 0) step.after.push_back(i - 1);
    for (const std::string& name : spec.after) {
      for (uint32_t j = 0; j < i; ++j) {
        if (flow.steps[j].name == name) step.after.push_back(j);
      }
    }
    for (const uint32_t j : step.after) steps[j].answers = false;
    steps.push_back(std::move(step));
  }
  return steps;
}

struct Planner {
  const Workload& workload;
  const Composition& composition;
  const ExpertRoster roster;
  std::vector<ExpertId> answering;
  std::vector<std::vector<Step>> flows{};
  std::optional<ExpertDraw> draw{};
  RequestPlans plans{};

  [[nodiscard]] Error cannot(size_t request, std::string what, std::string hint) const {
    return {ErrorCode::kInvalidInput, fmt::format("{}: request {}", workload.source, request),
            std::move(what), std::move(hint)};
  }

  // 0: the plain flow; else 1 + the flow's number.
  uint32_t choose_flow(size_t request, Random& random) const {
    const auto& specs = composition.flows;
    if (!workload.notes.empty() && !workload.notes[request].label.empty()) {
      for (uint32_t f = 0; f < specs.size(); ++f) {
        const auto& labels = specs[f].labels;
        if (std::find(labels.begin(), labels.end(), workload.notes[request].label) != labels.end())
          return f + 1;
      }
    }
    double sum = 0;
    for (const FlowSpec& flow : specs) sum += flow.share;
    if (sum <= 0) return 0;
    double point = random.uniform() * sum;
    for (uint32_t f = 0; f < specs.size(); ++f) {
      point -= specs[f].share;
      if (point < 0) return f + 1;
    }
    return 0;  // rounding only
  }

  uint32_t router_tokens(size_t request, int64_t prompt_tokens) const {
    if (composition.router.runs == "none") return 0;
    int64_t tokens = composition.router.prompt_tokens > 0 ? composition.router.prompt_tokens : prompt_tokens;
    if (composition.router.reads == "message" && !workload.follows.empty())
      tokens = std::max<int64_t>(1, tokens - workload.follows[request].shared_prefix_tokens);
    return static_cast<uint32_t>(tokens);
  }

  Status check_allowed(size_t index, ExpertId expert) const {
    const uint32_t number = workload.requests[index].tenant.value;
    const std::string tenant = number < workload.tenants.size() ? workload.tenants[number] : "";
    const std::string& name = roster.experts[expert.value].name;
    if (may_use(composition, name, tenant)) return {};
    return cannot(index, fmt::format("tenant {} may not use expert {}", tenant, name),
                  "name the tenant in the expert's row of serving.owners");
  }

  Status add(size_t index, uint32_t flow) {
    static const FlowStep kPlain{"answer", std::string(kAssignedExpert), {}, true, 0, 0, 1};
    const Request& request = workload.requests[index];
    const size_t first = plans.nodes.size();
    const Step plain{&kPlain, std::nullopt, false, {}, true};
    const std::span<const Step> steps =
        flow == 0 ? std::span(&plain, 1) : std::span<const Step>(flows[flow - 1]);
    for (size_t s = 0; s < steps.size(); ++s) {
      const Step& step = steps[s];
      int64_t prompt =
          step.spec->extra_prompt_tokens + (step.spec->reads_request ? request.prompt_tokens : 0);
      for (const uint32_t before : step.after) {
        const Invocation& read = plans.nodes[first + before];
        prompt += int64_t{read.output_tokens} * read.copies;
      }
      if (prompt > kMaxTokens)
        return cannot(index, fmt::format("step {} would read {} tokens", step.spec->name, prompt),
                      "shorten the flow");
      Invocation node;
      if (step.routed && !draw)
        return cannot(index, fmt::format("nothing says whom step {} is routed to", step.spec->name),
                      "give a popularity law: --popularity zipf:0.9");
      node.expert = step.expert   ? *step.expert
                    : step.routed ? answering[draw->next().value]
                                  : *request.expert;
      RDU_CHECK_OK(check_allowed(index, node.expert));
      node.prompt_tokens = static_cast<uint32_t>(prompt);
      node.output_tokens = static_cast<uint32_t>(step.spec->output_tokens > 0 ? step.spec->output_tokens
                                                                              : request.output_tokens);
      node.copies = static_cast<uint32_t>(step.spec->copies);
      // The request's own routing is counted once, before its first node.
      if (step.routed || s == 0) node.route_tokens = router_tokens(index, prompt);
      node.reads_request = step.spec->reads_request;
      node.answers = step.answers;
      node.after_begin = static_cast<uint32_t>(plans.after_nodes.size());
      plans.after_nodes.insert(plans.after_nodes.end(), step.after.begin(), step.after.end());
      node.after_end = static_cast<uint32_t>(plans.after_nodes.size());
      plans.nodes.push_back(node);
    }
    plans.begin.push_back(static_cast<uint32_t>(plans.nodes.size()));
    plans.flow_of.push_back(flow);
    return {};
  }
};

Result<std::optional<PopularityLaw>> law_of(const Workload& workload, const Composition& composition) {
  if (workload.popularity || composition.router.kind != "popularity") return workload.popularity;
  RDU_ASSIGN(const PopularityLaw law, parse_popularity(composition.router.popularity));
  return std::optional(law);
}

}  // namespace

Result<RequestPlans> plan_requests(const Workload& workload, const Composition& composition, uint64_t seed) {
  const ExpertRoster roster = make_roster(composition);
  Planner planner{workload, composition, roster, answering_experts(composition, roster)};
  planner.plans.flows.emplace_back("plain");
  for (const FlowSpec& flow : composition.flows) {
    planner.flows.push_back(resolve(flow, planner.roster));
    planner.plans.flows.push_back(flow.name);
  }
  RDU_ASSIGN(const auto law, law_of(workload, composition));
  if (law && !planner.answering.empty()) {
    planner.draw.emplace(*law, planner.answering.size(), seed_of(seed, Purpose::kReroutedSteps));
  }
  Random random(seed_of(seed, Purpose::kFlows));
  planner.plans.begin.push_back(0);
  for (size_t r = 0; r < workload.requests.size(); ++r) {
    RDU_CHECK(workload.requests[r].expert.has_value(), "request {} has no expert", r);
    RDU_CHECK_OK(planner.add(r, planner.choose_flow(r, random)));
  }
  return std::move(planner.plans);
}

RequestPlans plans_of(const RequestPlans& all, std::span<const uint32_t> requests) {
  RequestPlans some;
  some.flows = all.flows;
  some.begin.push_back(0);
  for (const uint32_t r : requests) {
    for (Invocation node : all.of(r)) {
      const auto after = all.after(node);
      node.after_begin = static_cast<uint32_t>(some.after_nodes.size());
      some.after_nodes.insert(some.after_nodes.end(), after.begin(), after.end());
      node.after_end = static_cast<uint32_t>(some.after_nodes.size());
      some.nodes.push_back(node);
    }
    some.begin.push_back(static_cast<uint32_t>(some.nodes.size()));
    some.flow_of.push_back(all.flow_of[r]);
  }
  return some;
}

std::string check_plans(const RequestPlans& plans, size_t experts) {
  if (plans.begin.empty() || plans.begin.back() != plans.nodes.size())
    return "the requests do not hold all nodes";
  for (size_t r = 0; r < plans.requests(); ++r) {
    if (plans.begin[r] >= plans.begin[r + 1]) return fmt::format("request {} has no nodes", r);
    const auto nodes = plans.of(r);
    std::vector<bool> read(nodes.size());
    for (uint32_t n = 0; n < nodes.size(); ++n) {
      const Invocation& node = nodes[n];
      if (node.expert.value >= experts) return fmt::format("request {}: node {} has no expert", r, n);
      if (node.prompt_tokens == 0 || node.output_tokens == 0 || node.copies == 0)
        return fmt::format("request {}: node {} does nothing", r, n);
      for (const uint32_t before : plans.after(node)) {
        if (before >= n) return fmt::format("request {}: node {} comes after {}", r, n, before);
        read[before] = true;
      }
    }
    for (size_t n = 0; n < nodes.size(); ++n) {
      if (nodes[n].answers == read[n])
        return fmt::format("request {}: node {} is {}", r, n, read[n] ? "read, and answers" : "never read");
    }
  }
  return "";
}

}  // namespace rdusim::runtime
