// Laws of the engine over random workloads, every scheduler, eviction policy and mechanism, socket groups and
// faults: nothing is lost, memory is never over, parts of a latency add up, twice the same.
#include <gtest/gtest.h>

#include "runtime/eviction/policy.h"
#include "runtime/scheduler/scheduler.h"
#include "runtime/serving/hbm_space.h"
#include "runtime/serving/serve.h"
#include "tests/support/sequential_reference.h"
#include "tests/support/table_node.h"

namespace rdusim::runtime {
namespace {

Composition composition(const std::string& router) {
  Composition c;
  c.name = "property";
  c.experts = {{"small", "small", 9, {}}, {"large", "large", 3, {}}};
  c.router.kind = "trace";
  c.router.runs = router;
  c.router.model = router == "none" ? "" : "router";
  c.batch = 4;
  return c;
}

Workload random_workload(uint64_t seed, int requests, int64_t gap) {
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
ServeOptions random_options(Random& random, const std::string& scheduler) {
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
  return options;
}

void add_faults(ServeOptions& options, double span_s) {
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

void check_laws(const Workload& w, const NodeResult& r) {
  ASSERT_EQ(r.requests, static_cast<int64_t>(w.requests.size()));
  EXPECT_EQ(r.requests, r.finished + r.failed);
  EXPECT_EQ(r.failures.size(), static_cast<size_t>(r.failed));
  for (const Failure& f : r.failures) EXPECT_FALSE(f.reason.empty());
  int64_t copied = 0;
  int64_t asked = 0;
  for (const ExpertResult& e : r.experts) {
    copied += e.copied_bytes;
    asked += e.requests;
  }
  EXPECT_EQ(copied, r.bytes[0].bytes + r.sram_copied_bytes);
  EXPECT_EQ(asked, r.finished);
  EXPECT_LE(r.prefetch_wasted_bytes, copied);
  EXPECT_LE(r.memory.cache_peak_bytes, r.memory.cache_bytes + 250 * r.groups);
  EXPECT_LE(r.kv_peak_bytes, r.memory.kv_bytes);
  EXPECT_GE(r.kv_out_bytes, r.kv_in_bytes);
  for (const RequestRecord& record : r.records) {
    if (record.failed) continue;
    for (const Picoseconds part :
         {record.queueing, record.routing, record.switching, record.prefill, record.decode}) {
      EXPECT_GE(part.value, 0);
    }
    EXPECT_EQ(record.hit, record.switching.value == 0);
    EXPECT_LE(seconds(record.arrival + record.end_to_end() - w.requests.front().arrival),
              r.makespan_s + 1e-12);
  }
  for (const Residency& stay : r.timeline) {
    EXPECT_LE(stay.load_begin, stay.ready);
    if (stay.evicted) {
      EXPECT_LE(stay.ready, *stay.evicted);
    }
  }
}

TEST(RuntimeEngineProperty, NothingIsLostWhateverIsSwitchedOn) {
  int runs = 0;
  int64_t paged = 0;
  int64_t prefetched = 0;
  for (const SchedulerChoice& scheduler : schedulers()) {
    for (uint64_t seed = 0; seed < 40; ++seed) {
      Random random(seed * 77 + 5);
      RichNode node(random.below(2) == 0 ? 620 : 1400);
      const Workload w = random_workload(seed, 120, random.below(2) == 0 ? 600 : 6000);
      ServeOptions options = random_options(random, scheduler.name);
      if (random.below(2) == 0) add_faults(options, seconds(w.requests.back().arrival));
      const std::vector<SocketGroup> groups(1 + random.below(3), SocketGroup{&node, 2});
      SCOPED_TRACE(scheduler.name + " seed " + std::to_string(seed));
      auto result = serve_groups(groups, composition(random.below(2) == 0 ? "none" : "embed"), w, options);
      ASSERT_TRUE(result.ok()) << result.error().to_string();
      check_laws(w, *result);
      paged += result->kv_out_bytes;
      prefetched += result->prefetched_bytes;
      ++runs;
    }
  }
  EXPECT_GE(runs, 200);
  EXPECT_GT(paged, 0);
  EXPECT_GT(prefetched, 0);
}

TEST(RuntimeEngineProperty, TwiceTheSame) {
  for (const SchedulerChoice& scheduler : schedulers()) {
    const Workload w = random_workload(3, 200, 2000);
    const auto once = [&] {
      Random random(8);
      RichNode node(1400);
      ServeOptions options = random_options(random, scheduler.name);
      add_faults(options, seconds(w.requests.back().arrival));
      return serve(node, composition("embed"), w, options).value();
    };
    const NodeResult a = once();
    const NodeResult b = once();
    for (size_t i = 0; i < a.records.size(); ++i) {
      EXPECT_EQ(a.records[i].end_to_end(), b.records[i].end_to_end());
      EXPECT_EQ(a.records[i].failed, b.records[i].failed);
    }
    EXPECT_EQ(a.bytes[0].bytes, b.bytes[0].bytes);
    EXPECT_EQ(a.switches, b.switches);
  }
}

TEST(RuntimeEngineProperty, SequentialIsThePublishedRuleToThePicosecond) {
  for (uint64_t seed = 0; seed < 30; ++seed) {
    for (const int64_t batch : {1, 3, 8}) {
      TableNode node;
      node.node_memory.hbm_bytes = Bytes(seed % 2 == 0 ? 520 : 900);
      node.overhead = Picoseconds(13);
      const Composition c = composition("embed");
      Workload w = random_workload(seed, 150, seed % 3 == 0 ? 500 : 5000);
      ServeOptions options;
      options.batch = batch;
      const NodeResult r = serve(node, c, w, options).value();
      const auto expected = sequential_reference(node, c, w, batch);
      ASSERT_EQ(r.failed, 0);
      for (size_t i = 0; i < expected.size(); ++i) {
        SCOPED_TRACE(std::to_string(seed) + " " + std::to_string(batch) + " request " + std::to_string(i));
        ASSERT_EQ(r.records[i].queueing, expected[i].queueing);
        ASSERT_EQ(r.records[i].routing, expected[i].routing);
        ASSERT_EQ(r.records[i].switching, expected[i].switching);
        ASSERT_EQ(r.records[i].prefill, expected[i].prefill);
        ASSERT_EQ(r.records[i].decode, expected[i].decode);
        ASSERT_EQ(r.records[i].hit, expected[i].hit);
      }
    }
  }
}

// No request waits longer than the longest wait and the work that was before it: with one expert always in
// demand, the other's single request still gets its turn.
TEST(RuntimeEngineProperty, NobodyStarvesBeyondTheLongestWait) {
  for (const char* scheduler : {"continuous", "collate", "lookahead", "deadline"}) {
    TableNode node;
    Workload w;
    w.source = "starving";
    for (int i = 0; i < 600; ++i)
      w.requests.push_back({Picoseconds(i * 120), 10, 8, TenantId(), ExpertId(i == 5 ? 1U : 0U)});
    ServeOptions options;
    options.scheduler = scheduler;
    options.engine.host_iteration_s = 0;
    options.engine.max_running = 4;
    options.engine.longest_wait_s = 10'000e-12;
    options.engine.deadline_s = 10'000e-12;
    options.engine.kv_share = 1;
    Composition c = composition("none");
    const NodeResult r = serve(node, c, w, options).value();
    // One batch of four may be under way: four prefills and eight steps.
    EXPECT_LE((r.records[5].queueing + r.records[5].switching).value, 10'000 + 4 * 100 + 8 * 130 + 103)
        << scheduler;
  }
}

}  // namespace
}  // namespace rdusim::runtime
