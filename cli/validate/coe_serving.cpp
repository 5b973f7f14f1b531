// Serving the published composition for validation rows; see coe_serving.h.
#include "cli/validate/coe_serving.h"

#include <fmt/format.h>

namespace rdusim::cli {
namespace {

constexpr const char* kComposition = "llama2-7b-x150";

}  // namespace

// A session of its own, so that overrides of one run do not reach the next; files read go back to the
// caller's manifest.
Result<Serving> serve_experts(ValidationContext& context, int64_t experts, const ServingChoice& choice) {
  Session inner = context.session;
  inner.config.overrides.push_back({"composition.experts.llama2-7b.count", fmt::to_string(experts)});
  inner.config.override_used.push_back(false);
  auto serving = serve_composition(inner, kComposition, choice, context.progress);
  context.session.config.files = inner.config.files;
  return serving;
}

std::string serve_command(int64_t experts, const ServingChoice& choice) {
  return fmt::format(
      "rdusim serve {} --set composition.experts.llama2-7b.count={} --requests {} --batch {} --output-tokens "
      "{} --compare "
      "dgx-a100,dgx-h100",
      kComposition, experts, choice.requests, choice.batch, choice.output_tokens);
}

ServingChoice table5_choice(int64_t batch, int64_t output_tokens) {
  ServingChoice choice;
  choice.compare = {"dgx-a100", "dgx-h100"};
  choice.requests = "synthetic:together,n=200,popularity=round-robin";
  choice.batch = batch;
  choice.output_tokens = output_tokens;
  return choice;
}

// Seconds of a prompt: overall = all that the node did for it; expert = its prefill and decode; switching =
// the copy of its expert.
double seconds_of(const runtime::NodeResult& node, const std::string& part) {
  const auto n = static_cast<double>(node.finished);
  const runtime::LatencySplit& t = node.node_time;
  if (part == "expert") return (t.prefill_s + t.decode_s) / n;
  if (part == "switching") return t.switching_s / n;
  return (t.routing_s + t.switching_s + t.prefill_s + t.decode_s) / n;
}

Result<const runtime::NodeResult*> served_node(const Serving& serving, const std::string& name) {
  for (const auto& node : serving.nodes) {
    if (node.node != name) continue;
    if (node.status == runtime::NodeStatus::kServed && node.finished > 0) return &node;
    return Error{ErrorCode::kCapacity, name, "did not serve: " + node.reason, ""};
  }
  return Error{ErrorCode::kNotFound, name, "was not among the nodes", ""};
}

}  // namespace rdusim::cli
