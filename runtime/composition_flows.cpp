// The keys of flows.
#include "runtime/composition_flows.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace rdusim::runtime {
namespace {

constexpr IntegerRange kTokensOrNone{0, 10'000'000};  // as the compositions' own
constexpr int64_t kMostCopies = 1024;

const Fields<FlowStep>& step_fields() {
  static const auto fields =
      Fields<FlowStep>("step", "one expert's part of a flow")
          .text("name", &FlowStep::name, "unique in its flow")
          .text("expert", &FlowStep::expert,
                "an expert's name; assigned: the request's own; routed: routed anew")
          .texts("after", &FlowStep::after,
                 "earlier steps that must have ended, or request; default: the step before")
          .optional()
          .boolean("reads_request", &FlowStep::reads_request, "its prompt holds the request's")
          .optional()
          .integer("extra_prompt_tokens", &FlowStep::extra_prompt_tokens, kTokensOrNone, "tokens",
                   "of a template, or of an image's patches")
          .optional()
          .integer("output_tokens", &FlowStep::output_tokens, kTokensOrNone, "tokens", "0: the request's")
          .optional()
          .integer("copies", &FlowStep::copies, {1, kMostCopies}, "answers", "sampled from one prompt")
          .optional();
  return fields;
}

std::string check_flow(const FlowSpec& flow) {
  if (flow.steps.empty()) return fmt::format("flow {} has no steps", flow.name);
  std::set<std::string> earlier{std::string(kRequestStep)};
  for (size_t i = 0; i < flow.steps.size(); ++i) {
    const FlowStep& step = flow.steps[i];
    std::set<std::string> named;
    for (const std::string& name : step.after) {
      if (earlier.count(name) == 0)
        return fmt::format("flow {}: step {} comes after {}, which is no earlier step", flow.name, step.name,
                           name);
      if (!named.insert(name).second)
        return fmt::format("flow {}: step {} names {} twice", flow.name, step.name, name);
    }
    if (step.name.empty() || !earlier.insert(step.name).second)
      return fmt::format("flow {}: step '{}' has no name of its own", flow.name, step.name);
    const bool reads_a_step =
        step.after.empty() ? i > 0 : step.after.size() > 1 || step.after[0] != kRequestStep;
    if (!step.reads_request && !reads_a_step && step.extra_prompt_tokens == 0)
      return fmt::format("flow {}: step {} reads nothing", flow.name, step.name);
  }
  return "";
}

}  // namespace

const Fields<FlowSpec>& flow_fields() {
  static const auto fields =
      Fields<FlowSpec>("flow", "what happens to a request that one expert does not answer alone")
          .text("name", &FlowSpec::name, "unique")
          .real("share", &FlowSpec::share, {0, 1e9}, "", "weight among requests whose label names no flow")
          .optional()
          .texts("labels", &FlowSpec::labels, "requests with one of these labels take this flow")
          .optional()
          .list("steps", &FlowSpec::steps, step_fields())
          .check(check_flow);
  return fields;
}

}  // namespace rdusim::runtime
