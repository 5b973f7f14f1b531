// The published rule written down directly, as slow twin of the engine's scheduler `sequential`: batch, one
// router pass, then (prompt, expert) pairs in turn; LRU over whole experts; nothing overlaps.
#pragma once

#include <algorithm>
#include <list>
#include <vector>

#include "runtime/memo_execution.h"
#include "runtime/serving/memory_plan.h"
#include "runtime/serving/serve.h"

namespace rdusim::runtime {

// Composition with a router that embeds; every request fits.
inline std::vector<RequestRecord> sequential_reference(ExecutionModel& node, const Composition& composition,
                                                       const Workload& workload, int64_t batch) {
  const ExpertRoster roster = make_roster(composition);
  auto names = roster.models;
  names.push_back(composition.router.model);
  MemoisedExecution memo(node, names, {true});
  const auto router = static_cast<uint32_t>(names.size() - 1);
  const NodePlan plan = plan_node_memory(node, composition, roster, workload, {}, batch).value();
  const NodeMemory memory = node.memory();
  std::list<uint32_t> recent;  // least recent first
  int64_t used = 0;
  Picoseconds now = workload.requests.front().arrival;
  std::vector<RequestRecord> records(workload.requests.size());
  for (size_t next = 0; next < workload.requests.size();) {
    now = std::max(now, workload.requests[next].arrival);
    size_t end = next;
    int64_t longest = 0;
    while (end < workload.requests.size() && workload.requests[end].arrival <= now &&
           static_cast<int64_t>(end - next) < batch) {
      longest = std::max(longest, workload.requests[end++].prompt_tokens);
    }
    const Picoseconds routing =
        memo.embed(router, static_cast<int64_t>(end - next), longest).value().time + node.request_overhead();
    now += routing;
    for (; next < end; ++next) {
      const Request& request = workload.requests[next];
      const uint32_t expert = request.expert->value;
      RequestRecord& record = records[next];
      record.routing = routing;
      record.queueing = now - request.arrival - routing;
      const auto known = std::find(recent.begin(), recent.end(), expert);
      record.hit = known != recent.end();
      if (record.hit) {
        recent.erase(known);
      } else {
        used += plan.expert_bytes[expert].value;
        while (used > plan.memory.cache_bytes) {
          used -= plan.expert_bytes[recent.front()].value;
          recent.pop_front();
        }
        record.switching =
            memory.switch_setup + transfer_time(plan.expert_bytes[expert], memory.switch_bandwidth);
      }
      recent.push_back(expert);
      const uint32_t model = roster.experts[expert].model;
      record.prefill = memo.prefill(model, 1, request.prompt_tokens).value().time + node.request_overhead();
      record.decode = memo.decode(model, 1, request.prompt_tokens, request.output_tokens - 1).value().time;
      now += record.switching + record.prefill + record.decode;
    }
  }
  return records;
}

}  // namespace rdusim::runtime
