// The published composition of Llama-2-7B experts, served with other numbers of experts: what the groups
// coe-table-5 and capacity share.
#pragma once

#include <cstdint>
#include <string>

#include "cli/serving.h"
#include "cli/validate/row.h"

namespace rdusim::cli {

// A DGX cannot hold 150 experts (that is a published result too), so the ratios are taken where all nodes can
// serve and none can keep all experts in HBM.
inline constexpr int64_t kTable5Experts = 100;

// Serves llama2-7b-x150 with `experts` experts.
Result<Serving> serve_experts(ValidationContext& context, int64_t experts, const ServingChoice& choice);
// The command that does the same.
std::string serve_command(int64_t experts, const ServingChoice& choice);

// Every prompt needs another expert, on the SN40L node and both DGX nodes.
ServingChoice table5_choice(int64_t batch, int64_t output_tokens);

// Seconds of a prompt: overall = all that the node did for it; expert = its prefill and decode; switching =
// the copy of its expert.
double seconds_of(const runtime::NodeResult& node, const std::string& part);

// The result of one of the nodes that served; an error where it ran out of memory.
Result<const runtime::NodeResult*> served_node(const Serving& serving, const std::string& name);

}  // namespace rdusim::cli
