// Random ways to serve: compositions, workloads, options, faults and plans, for the properties that hold for
// all.
#pragma once

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <string>

#include "base/random.h"
#include "runtime/eviction/policy.h"
#include "runtime/request_plan.h"
#include "runtime/scheduler/scheduler.h"
#include "runtime/serving/hbm_space.h"
#include "runtime/serving/serve.h"
#include "tests/support/table_node.h"

namespace rdusim::runtime {

inline Composition random_composition(const std::string& router) {
  Composition c;
  c.name = "property";
  c.experts = {{"small", "small", 9, {}}, {"large", "large", 3, {}}};
  c.router.kind = "trace";
  c.router.runs = router;
  c.router.model = router == "none" ? "" : "router";
  c.batch = 4;
  return c;
}

inline Workload random_workload(uint64_t seed, int requests, int64_t gap) {
  Random random(seed);
  Workload w;
  w.source = "random";
  w.tenants = {"a", "b"};
  w.notes.resize(static_cast<size_t>(requests));
  int64_t arrival = 0;
  for (int i = 0; i < requests; ++i) {
    arrival += static_cast<int64_t>(random.below(static_cast<uint64_t>(gap)));
    const auto prompt = static_cast<int64_t>(1 + random.below(40));
    const auto output = static_cast<int64_t>(1 + random.below(20));
    const size_t expert = random.below(3) == 0 ? random.below(12) : random.below(3);
    w.requests.push_back({Picoseconds(arrival), prompt, output, TenantId(random.below(2)), ExpertId(expert)});
    for (int64_t block = 0; block * 8 < prompt; ++block)
      w.notes[static_cast<size_t>(i)].prefix_blocks.push_back(static_cast<int64_t>(random.below(2)) +
                                                              2 * block);
  }
  return w;
}

// A random way to serve.
inline ServeOptions random_options(Random& random, const std::string& scheduler) {
  ServeOptions options;
  options.scheduler = scheduler;
  auto policies = eviction_policies();
  std::erase_if(policies, [](const EvictionChoice& choice) { return choice.offline; });
  options.eviction = policies[random.below(policies.size())].name;
  EngineOptions& e = options.engine;
  const auto maybe = [&] { return random.below(2) == 0; };
  e.host_iteration_s = maybe() ? 0 : 3e-12;
  e.max_running = 1 + static_cast<int64_t>(random.below(6));
  e.prefill_chunk_tokens = maybe() ? 0 : 7;
  e.quantum_steps = maybe() ? 0 : 5;
  e.longest_wait_s = maybe() ? 30 : 5e-9;
  e.deadline_s = 1e-8;
  e.kv_share = maybe() ? 0 : 0.5;
  e.kv_page_tokens = 1 + static_cast<int64_t>(random.below(8));
  e.prefix_block_tokens = 8;
  e.prefix_sharing = maybe();
  e.allocation = kSpacePolicyNames[random.below(3)];
  e.compaction = maybe();
  e.eager_unload = random.below(4) == 0;
  e.mechanisms.prefetch = maybe();
  e.mechanisms.predict_popularity = maybe();
  e.mechanisms.predict_transition = maybe();
  e.mechanisms.layerwise = maybe();
  e.mechanisms.keep_first_layers = maybe() ? 0 : 0.04;
  e.mechanisms.sram_share = maybe() ? 0 : 0.5;
  if (maybe()) e.preload = {"popular"};
  if (maybe()) e.owners = {{"small-0", {"a"}}};
  e.scrub = maybe();
  e.mechanisms.prefetch_flows = maybe();
  return options;
}

inline void add_faults(ServeOptions& options, double span_s) {
  for (const char* kind : {"hbm-channel", "ddr-channel", "slow-link", "socket-down", "corrupt", "cancel"}) {
    FaultSpec fault;
    fault.kind = kind;
    fault.at_s = span_s * 0.2 * static_cast<double>(options.engine.faults.size() + 1) / 2;
    fault.duration_s = span_s * 0.1;
    fault.factor = 0.3;
    fault.request = 60;
    options.engine.faults.push_back(fault);
  }
}

class RichNode : public TableNode {
 public:
  explicit RichNode(int64_t hbm) {
    node_memory.hbm_bytes = Bytes(hbm);
    node_memory.hbm_bandwidth = BytesPerSecond{2e12};
    node_memory.store_bandwidth = BytesPerSecond{1.2e12};
    node_memory.link_bandwidth = BytesPerSecond{1e12};
    node_memory.sram_bytes = Bytes(250);
    node_memory.hbm_channels = 8;
    node_memory.store_channels = 4;
  }
  Result<int64_t> layers(const std::string&) override { return int64_t{5}; }
};

// Conversations or clients: requests follow earlier ones, with think time.
inline void add_follows(Workload& w, uint64_t seed) {
  Random random(seed + 900);
  for (uint32_t r = 0; r < w.requests.size(); ++r) {
    Follow follow{r % 7, Follow::kNone, 0, Picoseconds(static_cast<int64_t>(random.below(300)))};
    if (r >= 10 && random.below(2) == 0) {
      follow.previous = r - 1 - static_cast<uint32_t>(random.below(10));
      follow.session = random.below(2) == 0 ? w.follows[follow.previous].session : r;
    }
    w.follows.push_back(follow);
  }
}

// Plans of one to four invocations with random edges, copies and routing.
inline RequestPlans random_plans(const Workload& w, uint64_t seed) {
  Random random(seed + 700);
  RequestPlans plans;
  plans.flows = {"plain"};
  plans.begin.push_back(0);
  for (const Request& request : w.requests) {
    const auto count = static_cast<uint32_t>(1 + random.below(4));
    const size_t first = plans.nodes.size();
    for (uint32_t n = 0; n < count; ++n) {
      Invocation node;
      node.expert = n == 0 ? *request.expert : ExpertId(random.below(12));
      node.prompt_tokens =
          static_cast<uint32_t>(request.prompt_tokens + static_cast<int64_t>(random.below(9)));
      node.output_tokens = static_cast<uint32_t>(1 + random.below(8));
      node.copies = random.below(4) == 0 ? 3 : 1;
      node.route_tokens = n == 0 || random.below(3) == 0 ? node.prompt_tokens : 0;
      node.reads_request = random.below(4) != 0;
      node.answers = true;
      node.after_begin = static_cast<uint32_t>(plans.after_nodes.size());
      for (uint32_t before = 0; before < n; ++before) {
        if (random.below(2) == 0) continue;
        plans.after_nodes.push_back(before);
        plans.nodes[first + before].answers = false;
      }
      node.after_end = static_cast<uint32_t>(plans.after_nodes.size());
      plans.nodes.push_back(node);
    }
    plans.begin.push_back(static_cast<uint32_t>(plans.nodes.size()));
    plans.flow_of.push_back(count - 1);
  }
  return plans;
}

// The flows that random_plans numbers, for their steps' names.
inline void add_flows(Composition& c, RequestPlans& plans) {
  for (size_t steps = 2; steps <= 4; ++steps) {
    FlowSpec flow;
    flow.name = "flow-" + std::to_string(steps);
    for (size_t s = 0; s < steps; ++s) {
      FlowStep step;
      step.name = "step-" + std::to_string(s);
      step.expert = "assigned";
      flow.steps.push_back(step);
    }
    plans.flows.push_back(flow.name);
    c.flows.push_back(flow);
  }
}

// All that a result says, as text that two equal serves share.
inline std::string everything(const NodeResult& r) {
  std::string text = fmt::format("{} {} {} {} {} {} {} {}\n", r.requests, r.finished, r.failed, r.makespan_s,
                                 r.latency.mean_s, r.latency.p99_s, r.switching.mean_s, r.goodput_per_s);
  const auto add = [&text](const RequestRecord& q) {
    text +=
        fmt::format("{} {} {} {} {} {} {} {} {} {} {} {} {} {}\n", q.request.value, q.step, q.expert.value,
                    q.failed, q.hit, q.arrival.value, q.queueing.value, q.routing.value, q.switching.value,
                    q.prefill.value, q.earlier.value, q.decode.value, q.output_tokens, q.energy_nj);
  };
  for (const RequestRecord& q : r.records) add(q);
  for (const RequestRecord& q : r.steps) add(q);
  for (const Failure& f : r.failures) text += fmt::format("{} {}\n", f.request.value, f.reason);
  for (const Residency& s : r.timeline) {
    text += fmt::format("{} {} {} {}\n", s.expert.value, s.load_begin.value, s.ready.value,
                        s.evicted ? s.evicted->value : -1);
  }
  for (const ExpertResult& e : r.experts)
    text += fmt::format("{} {} {} {} {}\n", e.requests, e.hits, e.switches, e.copied_bytes, e.sram_bytes);
  for (const TierBytes& b : r.bytes) text += fmt::format("{} {} {}\n", b.from, b.to, b.bytes);
  for (const OccupancySample& s : r.occupancy)
    text += fmt::format("{} {} {}\n", s.at.value, s.expert_bytes, s.kv_bytes);
  for (const auto& wire : r.pass_bytes) text += fmt::format("{}\n", fmt::join(wire, " "));
  const LatencySplit& t = r.node_time;
  text += fmt::format("{} {} {} {} {}\n", t.queueing_s, t.routing_s, t.switching_s, t.prefill_s, t.decode_s);
  text += fmt::format("{} {} {} {} {} {} {} {} {} {} {} {} {} {} {} {} {} {} {}\n", r.prefetches,
                      r.preemptions, r.iterations, r.faults, r.corrupt_copies, r.restarts,
                      r.reused_prompt_tokens, r.prefetched_bytes, r.prefetch_wasted_bytes, r.scrubbed_bytes,
                      r.kv_scrubbed_bytes, r.compacted_bytes, r.kv_peak_bytes, r.memory.cache_peak_bytes,
                      r.batches, r.switches, r.evictions, r.shapes_priced, r.dma_busy_s);
  return text;
}

}  // namespace rdusim::runtime
