// Capacity planning: how requests are dealt to several nodes, and the fewest nodes that meet an objective.
//
// Two ways to deal, of which the better counts: by expert (each expert lives on one node: the fewest copies,
// but a hot expert keeps one node busy; the heaviest first onto the least loaded node) and in turn (every
// node may run every expert: even load, more switches). Nodes do not talk to each other.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "runtime/planning/objective.h"
#include "runtime/workload/workload.h"

namespace rdusim::runtime {

enum class Dealing : uint8_t { kByExpert, kInTurn };
std::string_view dealing_name(Dealing dealing);

// What one node is dealt.
struct Share {
  Workload workload;              // in order of arrival
  std::vector<uint32_t> numbers;  // of its requests in the whole
};
// One share a node; a node without requests gets an empty one. Turns of one conversation stay together. Every
// request has its expert.
std::vector<Share> deal_requests(const Workload& workload, size_t nodes, Dealing dealing);

struct PlanPoint {
  int64_t nodes = 0;
  Dealing dealing = Dealing::kByExpert;
  ObjectiveValue value;
};

struct CapacityPlan {
  std::vector<PlanPoint> tried;     // by nodes, the better dealing of each
  std::optional<PlanPoint> fewest;  // absent: not met up to the most nodes
};

// Serves one node's share; all its records.
using ServeShare = std::function<Result<std::vector<RequestRecord>>(const Share& share)>;

Result<PlanPoint> try_nodes(const Workload& workload, const Objective& objective, int64_t nodes,
                            const ServeShare& serve);
// Doubles the nodes until the objective is met, then halves the gap. APPROX: assumes that more nodes are not
// worse; with dealing by expert a node more can move the heaviest experts together.
Result<CapacityPlan> plan_capacity(const Workload& workload, const Objective& objective, int64_t most_nodes,
                                   const ServeShare& serve);

}  // namespace rdusim::runtime
