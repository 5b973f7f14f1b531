// Flows of a composition: what happens to a request that one expert does not answer alone. A flow is a short
// list of steps; each runs one expert once its predecessors have ended.
//
//   chain:    steps in order                          (image ─► table ─► text)
//   again:    a step with expert: routed               (an answer goes to the router again)
//   fan-out:  steps after: [request], a judge after all of them
//   best of:  one step with copies: 16, a judge behind it
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/io/fields.h"

namespace rdusim::runtime {

// In FlowStep::expert: the request's own expert; one that the router chooses anew from what the step reads.
inline constexpr std::string_view kAssignedExpert = "assigned";
inline constexpr std::string_view kRoutedExpert = "routed";
// In FlowStep::after: no step, the request itself.
inline constexpr std::string_view kRequestStep = "request";

struct FlowStep {
  std::string name;
  std::string expert;  // an expert's name, "assigned" or "routed"
  std::vector<std::string>
      after;                  // earlier steps or "request"; empty: the step before, the request for the first
  bool reads_request = true;  // its prompt holds the request's
  int64_t extra_prompt_tokens = 0;  // of a template, or of an image's patches
  int64_t output_tokens = 0;        // 0: the request's
  int64_t copies = 1;               // answers sampled from one prompt; followers read all of them
};

struct FlowSpec {
  std::string name;
  double share = 0;                 // weight among requests whose label names no flow
  std::vector<std::string> labels;  // requests with one of these take this flow
  std::vector<FlowStep> steps;
};

const Fields<FlowSpec>& flow_fields();

}  // namespace rdusim::runtime
