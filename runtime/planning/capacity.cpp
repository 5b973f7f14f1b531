// Capacity planning.
#include "runtime/planning/capacity.h"

#include <algorithm>
#include <numeric>

#include "base/check.h"

namespace rdusim::runtime {
namespace {

// Node of each expert: the heaviest first, onto the node with the least tokens so far.
std::vector<size_t> place_experts(const Workload& workload, size_t nodes) {
  std::vector<int64_t> load;
  for (const Request& r : workload.requests) {
    if (load.size() <= r.expert->value) load.resize(r.expert->value + size_t{1}, 0);
    // APPROX: a request weighs its tokens; prompt and output tokens cost different time.
    load[r.expert->value] += r.prompt_tokens + r.output_tokens;
  }
  std::vector<size_t> order(load.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return load[a] > load[b]; });
  std::vector<int64_t> on_node(nodes, 0);
  std::vector<size_t> node_of(load.size());
  for (const size_t e : order) {
    const auto least = std::min_element(on_node.begin(), on_node.end());
    *least += load[e];
    node_of[e] = static_cast<size_t>(least - on_node.begin());
  }
  return node_of;
}

}  // namespace

std::string_view dealing_name(Dealing dealing) {
  return dealing == Dealing::kByExpert ? "by expert" : "in turn";
}

std::vector<Share> deal_requests(const Workload& workload, size_t nodes, Dealing dealing) {
  RDU_CHECK(nodes > 0, "no nodes");
  std::vector<Share> shares(nodes);
  for (Share& share : shares) {
    share.workload.source = workload.source;
    share.workload.format = workload.format;
    share.workload.tenants = workload.tenants;
    share.workload.popularity = workload.popularity;
    share.workload.closed_loop = workload.closed_loop;
    share.workload.session_stay = workload.session_stay;
  }
  const auto node_of_expert =
      dealing == Dealing::kByExpert ? place_experts(workload, nodes) : std::vector<size_t>();
  std::vector<size_t> node_of(workload.requests.size());
  std::vector<uint32_t> number(workload.requests.size());  // within its share
  size_t turn = 0;
  for (size_t i = 0; i < workload.requests.size(); ++i) {
    const Request& request = workload.requests[i];
    RDU_CHECK(request.expert.has_value(), "request {} has no expert", i);
    const Follow* follow = workload.follows.empty() ? nullptr : &workload.follows[i];
    const bool follows = follow != nullptr && follow->previous != Follow::kNone;
    node_of[i] = dealing == Dealing::kByExpert ? node_of_expert[request.expert->value]
                 : follows                     ? node_of[follow->previous]
                                               : turn++ % nodes;
    shares[node_of[i]].numbers.push_back(static_cast<uint32_t>(i));
    Workload& share = shares[node_of[i]].workload;
    number[i] = static_cast<uint32_t>(share.requests.size());
    share.requests.push_back(request);
    if (!workload.notes.empty()) share.notes.push_back(workload.notes[i]);
    if (!workload.functions.empty()) share.functions.push_back(workload.functions[i]);
    if (follow == nullptr) continue;
    share.follows.push_back(*follow);
    Follow& kept = share.follows.back();
    const bool together = follows && node_of[follow->previous] == node_of[i];
    kept.previous = together ? number[follow->previous] : Follow::kNone;
    if (!together) kept.shared_prefix_tokens = 0;  // that part of the conversation lies on another node
  }
  return shares;
}

Result<PlanPoint> try_nodes(const Workload& workload, const Objective& objective, int64_t nodes,
                            const ServeShare& serve) {
  std::optional<PlanPoint> best;
  for (const Dealing dealing : {Dealing::kByExpert, Dealing::kInTurn}) {
    std::vector<RequestRecord> records;
    for (const Share& share : deal_requests(workload, static_cast<size_t>(nodes), dealing)) {
      if (share.numbers.empty()) continue;
      RDU_ASSIGN(const auto served, serve(share));
      records.insert(records.end(), served.begin(), served.end());
    }
    PlanPoint point{nodes, dealing, evaluate(objective, records)};
    const auto better = [](const PlanPoint& a, const PlanPoint& b) {
      return a.value.failed != b.value.failed ? a.value.failed < b.value.failed
                                              : a.value.worst_share < b.value.worst_share;
    };
    if (!best || better(point, *best)) best = std::move(point);
    if (nodes == 1) break;  // one share either way
  }
  return *best;
}

Result<CapacityPlan> plan_capacity(const Workload& workload, const Objective& objective, int64_t most_nodes,
                                   const ServeShare& serve) {
  CapacityPlan plan;
  const auto attempt = [&](int64_t nodes) -> Result<bool> {
    RDU_ASSIGN(const PlanPoint point, try_nodes(workload, objective, nodes, serve));
    plan.tried.push_back(point);
    if (point.value.met && (!plan.fewest || nodes < plan.fewest->nodes)) plan.fewest = point;
    return point.value.met;
  };
  int64_t missed = 0;
  for (int64_t nodes = 1; !plan.fewest && missed < most_nodes; nodes = std::min(2 * nodes, most_nodes)) {
    RDU_ASSIGN(const bool met, attempt(nodes));
    if (!met) missed = nodes;
  }
  while (plan.fewest && plan.fewest->nodes - missed > 1) {
    const int64_t middle = missed + (plan.fewest->nodes - missed) / 2;
    RDU_ASSIGN(const bool met, attempt(middle));
    if (!met) missed = middle;
  }
  std::sort(plan.tried.begin(), plan.tried.end(),
            [](const auto& a, const auto& b) { return a.nodes < b.nodes; });
  return plan;
}

}  // namespace rdusim::runtime
