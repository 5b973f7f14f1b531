// How a node's memory is divided before serving starts, and whether the composition fits at all.
//
//   HBM    | router weights, stored vectors | KV cache of the largest pass | cache of experts ............ |
//   store  | one copy of every expert .................................................................... |
//
// Published rules (Prabhakar et al., MICRO 2024, Sec VI-C and Fig 12): router and KV cache always in HBM; the
// store (DDR, or a GPU node's host memory) holds every expert, so a 2 TB host fails at 150 experts of 13.476
// GB. An expert is compiled alone, and its segments, weights and program, are copied when it is activated
// (Sec V-B); so experts of one model have a program each.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "runtime/composition.h"
#include "runtime/execution.h"
#include "runtime/request_plan.h"
#include "runtime/result.h"
#include "runtime/workload/workload.h"

namespace rdusim::runtime {

// The router's nearest-neighbour kernel, as timed.
struct NeighbourShape {
  int64_t vectors = 0;  // 0: none
  int64_t dimensions = 0;
  int64_t k = 0;
  int64_t classes = 0;
};
// From the composition, with the trained router's vectors, k and classes when there is one.
NeighbourShape neighbour_shape(const Composition& composition, const Router* router);

struct NodePlan {
  bool fits = false;
  std::string reason;             // why not
  bool expert_too_large = false;  // an expert that HBM could not hold even alone beside the router
  MemoryUse memory;
  std::vector<Bytes> expert_bytes;              // by ExpertId: weights and program, copied together
  std::vector<Bytes> program_bytes;             // by ExpertId: part of expert_bytes
  std::vector<Bytes> model_kv_bytes_per_token;  // by ExpertRoster::models
  std::vector<Failure> failures;  // requests whose KV cache cannot fit beside the largest expert
  std::vector<bool> failed;       // by request
};

struct PlanOptions {
  std::vector<bool> placed;  // by ExpertId: experts that this memory's store holds; empty: all
  double kv_share = 0;       // of the HBM beside router and largest expert; 0: the largest request's KV cache
  int64_t kv_page_tokens = 1;
  std::span<const Invocation> steps{};  // with plans: what the workload's rows are
};

// What a node keeps of a model, and copies when an expert of it is activated: weights and program.
Result<Bytes> segment_bytes(ExecutionModel& execution, const std::string& model);

// Fails only when the execution model does; a composition that does not fit is a plan that says so.
Result<NodePlan> plan_node_memory(ExecutionModel& execution, const Composition& composition,
                                  const ExpertRoster& roster, const Workload& workload,
                                  const NeighbourShape& neighbours, int64_t batch,
                                  const PlanOptions& options = {});

}  // namespace rdusim::runtime
