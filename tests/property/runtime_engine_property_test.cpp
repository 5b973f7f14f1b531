// Laws of the engine over random workloads, every scheduler, eviction policy and mechanism, socket groups and
// faults: nothing is lost, memory is never over, parts of a latency add up, twice the same.
#include <gtest/gtest.h>

#include "runtime/plan_requests.h"
#include "tests/support/random_serving.h"
#include "tests/support/sequential_reference.h"

namespace rdusim::runtime {
namespace {

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
      auto result =
          serve_groups(groups, random_composition(random.below(2) == 0 ? "none" : "embed"), w, options);
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

// Steps: every invocation ends, after those before it; requests fail with a reason, once; parts add up.
void check_flow_laws(const RequestPlans& plans, const NodeResult& r) {
  ASSERT_EQ(r.steps.size(), plans.nodes.size());
  int64_t finished = 0;
  int64_t asked = 0;
  for (const ExpertResult& e : r.experts) asked += e.requests;
  for (size_t i = 0; i < plans.requests(); ++i) {
    bool failed = false;
    Picoseconds end;
    for (uint32_t n = plans.begin[i]; n < plans.begin[i + 1]; ++n) {
      const RequestRecord& step = r.steps[n];
      failed |= step.failed;
      finished += step.failed ? 0 : 1;
      if (step.failed) continue;
      end = std::max(end, step.arrival + step.end_to_end());
      for (const uint32_t before : plans.after(plans.nodes[n])) {
        const RequestRecord& earlier = r.steps[plans.begin[i] + before];
        ASSERT_FALSE(earlier.failed);
        ASSERT_GE(step.arrival, earlier.arrival + earlier.end_to_end());
      }
    }
    ASSERT_EQ(r.records[i].failed, failed);
    if (failed) continue;
    ASSERT_EQ(r.records[i].arrival + r.records[i].end_to_end(), end);
    for (const Picoseconds part : {r.records[i].queueing, r.records[i].routing, r.records[i].switching,
                                   r.records[i].prefill, r.records[i].earlier, r.records[i].decode}) {
      ASSERT_GE(part.value, 0);
    }
  }
  EXPECT_EQ(asked, finished);
  int64_t invocations = 0;
  for (const FlowResult& flow : r.flows) {
    EXPECT_EQ(flow.requests, flow.finished + flow.failed);
    for (const StepResult& step : flow.steps) {
      EXPECT_EQ(step.invocations, step.finished + step.failed + step.stopped);
      invocations += step.invocations;
    }
  }
  EXPECT_EQ(invocations, static_cast<int64_t>(plans.nodes.size()));
}

TEST(RuntimeEngineProperty, FlowsAndConversationsLoseNothingEither) {
  int64_t failed = 0;
  int64_t finished = 0;
  for (const SchedulerChoice& scheduler : schedulers()) {
    for (uint64_t seed = 0; seed < 24; ++seed) {
      SCOPED_TRACE(scheduler.name + " seed " + std::to_string(seed));
      Random random(seed * 91 + 4);
      RichNode node(random.below(2) == 0 ? 620 : 1400);
      Workload w = random_workload(seed, 80, 3000);
      if (random.below(2) == 0) add_follows(w, seed);
      RequestPlans plans = random_plans(w, seed);
      ASSERT_EQ(check_plans(plans, 12), "");
      Composition c = random_composition(random.below(2) == 0 ? "none" : "embed");
      add_flows(c, plans);
      ServeOptions options = random_options(random, scheduler.name);
      options.plans = &plans;
      if (random.below(2) == 0) add_faults(options, seconds(w.requests.back().arrival) * 2);
      const std::vector<SocketGroup> groups(1 + random.below(3), SocketGroup{&node, 2});
      const auto once = [&] { return serve_groups(groups, c, w, options); };
      const auto result = once();
      ASSERT_TRUE(result.ok()) << result.error().to_string();
      ASSERT_EQ(result->requests, result->finished + result->failed);
      EXPECT_EQ(result->failures.size(), static_cast<size_t>(result->failed));
      check_flow_laws(plans, *result);
      failed += result->failed;
      finished += result->finished;
      const auto again = once();
      for (size_t i = 0; i < w.requests.size(); ++i)
        ASSERT_EQ(result->records[i].end_to_end(), again->records[i].end_to_end());
    }
  }
  EXPECT_GT(failed, 100);
  EXPECT_GT(finished, 5000);
}

// Plans that say what would happen anyway change nothing.
TEST(RuntimeEngineProperty, PlainPlansAreNoPlans) {
  for (const SchedulerChoice& scheduler : schedulers()) {
    for (uint64_t seed = 0; seed < 10; ++seed) {
      Random random(seed * 13 + 1);
      RichNode node(1400);
      const Workload w = random_workload(seed, 100, 3000);
      const Composition c = random_composition(seed % 2 == 0 ? "none" : "embed");
      ServeOptions options = random_options(random, scheduler.name);
      options.engine.owners.clear();
      const NodeResult alone = serve(node, c, w, options).value();
      const RequestPlans plans = plan_requests(w, c, 1).value();
      options.plans = &plans;
      const NodeResult planned = serve(node, c, w, options).value();
      for (size_t i = 0; i < w.requests.size(); ++i) {
        ASSERT_EQ(alone.records[i].queueing, planned.records[i].queueing) << scheduler.name << " " << seed;
        ASSERT_EQ(alone.records[i].end_to_end(), planned.records[i].end_to_end());
      }
      EXPECT_EQ(alone.bytes[0].bytes, planned.bytes[0].bytes);
      EXPECT_EQ(alone.expert_hit_rate, planned.expert_hit_rate);
    }
  }
}

TEST(RuntimeEngineProperty, TwiceTheSame) {
  for (const SchedulerChoice& scheduler : schedulers()) {
    const Workload w = random_workload(3, 200, 2000);
    const auto once = [&] {
      Random random(8);
      RichNode node(1400);
      ServeOptions options = random_options(random, scheduler.name);
      add_faults(options, seconds(w.requests.back().arrival));
      return serve(node, random_composition("embed"), w, options).value();
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
      const Composition c = random_composition("embed");
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
    Composition c = random_composition("none");
    const NodeResult r = serve(node, c, w, options).value();
    // One batch of four may be under way: four prefills and eight steps.
    EXPECT_LE((r.records[5].queueing + r.records[5].switching).value, 10'000 + 4 * 100 + 8 * 130 + 103)
        << scheduler;
  }
}

}  // namespace
}  // namespace rdusim::runtime
