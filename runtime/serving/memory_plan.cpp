// Division of HBM and store; see memory_plan.h.
#include "runtime/serving/memory_plan.h"

#include <fmt/format.h>

#include <algorithm>

#include "runtime/serving/kv_pool.h"

namespace rdusim::runtime {
namespace {

constexpr int64_t kVectorBytes = 2;  // stored vectors in BF16

// "13.48 GB", "2.022 TB", "96 B"
std::string readable(int64_t bytes) {
  const auto value = static_cast<double>(bytes);
  if (bytes >= 1'000'000'000'000) return fmt::format("{:.3f} TB", value / 1e12);
  if (bytes >= 10'000'000) return fmt::format("{:.2f} GB", value / 1e9);
  return fmt::format("{} B", bytes);
}

Status fill_models(ExecutionModel& execution, const ExpertRoster& roster, const PlanOptions& options,
                   NodePlan& plan) {
  std::vector<Bytes> model_bytes;
  std::vector<Bytes> model_program_bytes;
  for (const std::string& model : roster.models) {
    RDU_ASSIGN(const Bytes segments, segment_bytes(execution, model));
    RDU_ASSIGN(const Bytes program, execution.program_bytes(model));
    RDU_ASSIGN(const Bytes kv, execution.kv_bytes_per_token(model));
    model_bytes.push_back(segments);
    model_program_bytes.push_back(program);
    plan.model_kv_bytes_per_token.push_back(kv);
  }
  for (const Expert& expert : roster.experts) {
    plan.expert_bytes.push_back(model_bytes[expert.model]);
    plan.program_bytes.push_back(model_program_bytes[expert.model]);
    const size_t e = plan.expert_bytes.size() - 1;
    if (options.placed.empty() || options.placed[e])
      plan.memory.store_used_bytes += model_bytes[expert.model].value;
  }
  return {};
}

// Weights, program and vectors of the router, and the KV cache that it needs when it generates.
Result<int64_t> fill_router(ExecutionModel& execution, const Composition& composition,
                            const Workload& workload, const NeighbourShape& neighbours, int64_t batch,
                            NodePlan& plan) {
  plan.memory.router_bytes = neighbours.vectors * neighbours.dimensions * kVectorBytes;
  const RouterSpec& router = composition.router;
  if (router.runs == "none") return int64_t{0};
  RDU_ASSIGN(const Bytes segments, segment_bytes(execution, router.model));
  plan.memory.router_bytes += segments.value;
  if (router.runs != "generate") return int64_t{0};
  RDU_ASSIGN(const Bytes kv, execution.kv_bytes_per_token(router.model));
  int64_t prompt = router.prompt_tokens;
  if (prompt == 0) {
    for (const Request& r : workload.requests) prompt = std::max(prompt, r.prompt_tokens);
  }
  return batch * (prompt + router.output_tokens) * kv.value;
}

// Reserves KV for the requests, fails those that could never run.
void fill_kv(const ExpertRoster& roster, const Workload& workload, int64_t limit, const PlanOptions& options,
             NodePlan& plan) {
  const int64_t page_tokens = options.kv_page_tokens;
  plan.failed.assign(workload.requests.size(), false);
  for (size_t i = 0; i < workload.requests.size(); ++i) {
    const Request& r = workload.requests[i];
    const uint32_t model = roster.experts[r.expert->value].model;
    const int64_t copies = options.steps.empty() ? 1 : int64_t{options.steps[i].copies};
    const int64_t tokens = kv_tokens(r.prompt_tokens, r.output_tokens, copies, page_tokens);
    const int64_t per_token = plan.model_kv_bytes_per_token[model].value;
    if (per_token > 0 && tokens > limit / per_token) {
      plan.failed[i] = true;
      plan.failures.push_back(
          {RequestId(i), fmt::format("KV cache of {} tokens does not fit beside the largest expert ({} left)",
                                     tokens, readable(limit))});
      continue;
    }
    plan.memory.kv_bytes = std::max(plan.memory.kv_bytes, tokens * per_token);
  }
}

}  // namespace

Result<Bytes> segment_bytes(ExecutionModel& execution, const std::string& model) {
  RDU_ASSIGN(const Bytes weights, execution.weight_bytes(model));
  RDU_ASSIGN(const Bytes program, execution.program_bytes(model));
  return weights + program;
}

NeighbourShape neighbour_shape(const Composition& composition, const Router* router) {
  if (composition.router.kind != "knn") return {};
  const KnnSpec& knn = composition.router.knn;
  NeighbourShape shape{knn.stored_vectors, knn.dimensions, knn.k,
                       static_cast<int64_t>(router_classes(composition).size())};
  if (router != nullptr) {
    shape.vectors = router->index.size();
    shape.k = std::min(router->k, shape.vectors);
    shape.classes = router->index.classes();
  }
  return shape;
}

Result<NodePlan> plan_node_memory(ExecutionModel& execution, const Composition& composition,
                                  const ExpertRoster& roster, const Workload& workload,
                                  const NeighbourShape& neighbours, int64_t batch,
                                  const PlanOptions& options) {
  NodePlan plan;
  MemoryUse& memory = plan.memory;
  memory.store_capacity_bytes = execution.memory().store_bytes.value;
  memory.hbm_capacity_bytes = execution.memory().hbm_bytes.value;
  RDU_CHECK_OK(fill_models(execution, roster, options, plan));
  RDU_ASSIGN(const int64_t router_kv, fill_router(execution, composition, workload, neighbours, batch, plan));
  if (memory.store_used_bytes > memory.store_capacity_bytes) {
    plan.reason = fmt::format("out of memory: {} experts take {}, the store holds {}", roster.experts.size(),
                              readable(memory.store_used_bytes), readable(memory.store_capacity_bytes));
    return plan;
  }
  const auto largest = std::max_element(plan.expert_bytes.begin(), plan.expert_bytes.end());
  const int64_t kv_limit = memory.hbm_capacity_bytes - memory.router_bytes - largest->value;
  if (kv_limit < router_kv) {
    const auto& name = roster.experts[static_cast<size_t>(largest - plan.expert_bytes.begin())].name;
    plan.reason = fmt::format(
        "out of memory: expert {} of {} does not fit HBM of {} beside the router ({}, KV cache {})", name,
        readable(largest->value), readable(memory.hbm_capacity_bytes), readable(memory.router_bytes),
        readable(router_kv));
    plan.expert_too_large = true;
    return plan;
  }
  fill_kv(roster, workload, kv_limit, options, plan);
  const auto share = static_cast<int64_t>(static_cast<double>(kv_limit) * options.kv_share);
  memory.kv_bytes = std::max(memory.kv_bytes, share);
  memory.kv_bytes = std::max(memory.kv_bytes, router_kv);
  memory.cache_bytes = memory.hbm_capacity_bytes - memory.router_bytes - memory.kv_bytes;
  plan.fits = true;
  return plan;
}

}  // namespace rdusim::runtime
