// The engine's mechanisms on schedules computed by hand: a node whose costs are a table, two or three
// requests. Copies of `small` (100 B) take 3 ps of set-up and 100 ps.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/scheduler/scheduler.h"
#include "runtime/serving/serve.h"
#include "tests/support/table_node.h"

namespace rdusim::runtime {
namespace {

using testing::HasSubstr;

Composition composition(int64_t experts) {
  Composition c;
  c.name = "test";
  c.experts = {{"expert", "small", experts, {}}};
  c.router.kind = "trace";
  c.router.runs = "none";
  return c;
}

Workload workload(const std::vector<std::tuple<int64_t, uint32_t, int64_t, int64_t>>& rows) {
  Workload w;
  w.source = "test";
  for (const auto& [arrival, expert, prompt, output] : rows)
    w.requests.push_back({Picoseconds(arrival), prompt, output, TenantId(), ExpertId(expert)});
  return w;
}

ServeOptions iterating(const std::string& scheduler = "continuous") {
  ServeOptions options;
  options.scheduler = scheduler;
  options.engine.host_iteration_s = 0;
  return options;
}

NodeResult served(ExecutionModel& node, const Composition& c, const Workload& w,
                  const ServeOptions& options) {
  auto result = serve(node, c, w, options);
  EXPECT_TRUE(result.ok()) << result.error().to_string();
  return std::move(result).value();
}

// Four layers, so that the first arrives after a quarter of a copy.
class LayeredNode : public TableNode {
 public:
  Result<int64_t> layers(const std::string&) override { return int64_t{4}; }
};

TEST(RuntimeEngine, ContinuousBatchingSharesASwitchAPrefillAndDecodeSteps) {
  TableNode node;
  const NodeResult r = served(node, composition(1), workload({{0, 0, 10, 3}, {50, 0, 10, 2}}), iterating());
  EXPECT_EQ(r.switches, 1);
  EXPECT_EQ(r.records[0].switching.value, 103);
  EXPECT_EQ(r.records[1].switching.value, 53);  // came while the copy ran
  EXPECT_EQ(r.records[0].prefill.value, 200);   // one pass for both prompts
  EXPECT_EQ(r.records[1].prefill.value, 200);
  EXPECT_EQ(r.records[1].decode.value, 110);        // one step together
  EXPECT_EQ(r.records[0].decode.value, 110 + 111);  // and one alone
  EXPECT_EQ(r.records[0].queueing.value, 0);
}

TEST(RuntimeEngine, ARequestJoinsTheBatchAtTheNextToken) {
  TableNode node;
  // 0 decodes from 203 on: steps end at 313, 424, ...; 1 comes at 320 and is read from 424 on.
  const NodeResult r = served(node, composition(1), workload({{0, 0, 10, 9}, {320, 0, 10, 1}}), iterating());
  EXPECT_EQ(r.records[1].queueing.value, 424 - 320);
  EXPECT_EQ(r.records[1].prefill.value, 100);
  EXPECT_TRUE(r.records[1].hit);
  // 8 steps of 110, 111, ... and the other's prefill between two of them.
  EXPECT_EQ(r.records[0].decode.value, 8 * 110 + 28 + 100);
}

TEST(RuntimeEngine, HostTimeOfEveryIterationIsCounted) {
  TableNode node;
  ServeOptions options = iterating();
  options.engine.host_iteration_s = 5e-12;
  const NodeResult r = served(node, composition(1), workload({{0, 0, 10, 4}}), options);
  EXPECT_EQ(r.records[0].prefill.value, 100 + 5);
  EXPECT_EQ(r.records[0].decode.value, 110 + 111 + 112 + 3 * 5);
}

TEST(RuntimeEngine, PrefetchCopiesTheNextExpertWhileThisOneRuns) {
  TableNode node;
  ServeOptions options;
  const Workload w = workload({{0, 0, 10, 1}, {0, 1, 10, 1}});
  EXPECT_EQ(served(node, composition(2), w, options).records[1].switching.value, 103);
  options.engine.mechanisms.prefetch = true;
  const NodeResult r = served(node, composition(2), w, options);
  EXPECT_EQ(r.records[0].switching.value, 103);
  EXPECT_EQ(r.records[1].queueing.value, 203);
  EXPECT_EQ(r.records[1].switching.value, 3);  // its copy ran from 103 to 206
  EXPECT_EQ(r.prefetches, 2);                  // the first began while the router saw the second request
  EXPECT_EQ(r.prefetched_bytes, 200);
}

TEST(RuntimeEngine, LayerwiseStartsWithTheFirstLayerAndEndsAfterTheLast) {
  LayeredNode node;
  ServeOptions options;
  options.engine.mechanisms.layerwise = true;
  // The pass is as long as the copy: it starts at 3 + 25 and is never held up.
  const NodeResult even = served(node, composition(1), workload({{0, 0, 10, 1}}), options);
  EXPECT_EQ(even.records[0].switching.value, 28);
  EXPECT_EQ(even.records[0].prefill.value, 100);
  // A pass of 40 has done three layers at 58 and waits for the last until 103.
  const NodeResult quick = served(node, composition(1), workload({{0, 0, 4, 1}}), options);
  EXPECT_EQ(quick.records[0].end_to_end().value, 103 + 10);
  EXPECT_EQ(quick.records[0].prefill.value, 40);
  EXPECT_EQ(quick.records[0].switching.value, 103 + 10 - 40);
}

TEST(RuntimeEngine, AnExpertsProgramComesBeforeItsFirstLayerAndTakesRoom) {
  LayeredNode node;
  node.program = Bytes(20);
  ServeOptions options;
  const NodeResult whole = served(node, composition(2), workload({{0, 0, 10, 1}, {0, 1, 10, 1}}), options);
  EXPECT_EQ(whole.records[0].switching.value, 3 + 120);
  EXPECT_EQ(whole.experts[0].weight_bytes, 100);
  EXPECT_EQ(whole.experts[0].program_bytes, 20);
  EXPECT_EQ(whole.experts[0].copied_bytes, 120);
  EXPECT_EQ(whole.memory.store_used_bytes, 240);
  EXPECT_EQ(whole.memory.cache_peak_bytes, 240);
  options.engine.mechanisms.layerwise = true;
  const NodeResult layered = served(node, composition(1), workload({{0, 0, 12, 1}}), options);
  EXPECT_EQ(layered.records[0].switching.value, 3 + 20 + 25);  // and a pass of 120 is never held up
}

TEST(RuntimeEngine, FirstLayersThatStayLeaveLessToCopy) {
  LayeredNode node;
  ServeOptions options;
  options.engine.mechanisms.keep_first_layers = 0.25;
  const NodeResult r = served(node, composition(2), workload({{0, 0, 10, 1}}), options);
  EXPECT_EQ(r.records[0].switching.value, 3 + 75);
  EXPECT_EQ(r.bytes[0].bytes, 75);
  // The first layer is there at once; three layers are done at 75, the last arrives at 78.
  options.engine.mechanisms.layerwise = true;
  EXPECT_EQ(served(node, composition(2), workload({{0, 0, 10, 1}}), options).records[0].switching.value, 3);
  EXPECT_THAT(serve(node, composition(40), workload({{0, 0, 10, 1}}), options).error().what,
              HasSubstr("first layers of 40 experts"));
}

TEST(RuntimeEngine, SmallExpertsGoToSram) {
  TableNode node;
  node.node_memory.sram_bytes = Bytes(220);
  ServeOptions options;
  options.engine.mechanisms.sram_share = 0.5;
  const NodeResult r = served(node, composition(2), workload({{0, 0, 5, 1}, {0, 1, 5, 1}}), options);
  EXPECT_EQ(r.sram_copied_bytes, 200);
  EXPECT_EQ(r.bytes[0].bytes, 0);  // nothing to HBM
  EXPECT_EQ(r.evictions, 1);       // 110 bytes hold one
}

TEST(RuntimeEngine, ACopySharesTheStoreWithAPassThatReadsIt) {
  // Passes read 100 B of weights from HBM: a prefill of 100 ps asks for 1 B/ps of the 1.5 that there are, the
  // copy for 1: the copy gets 0.75 and the pass 0.75, until one of them is done.
  TableNode node;
  node.node_memory.hbm_bandwidth = BytesPerSecond{1.5e12};
  node.node_memory.store_bandwidth = BytesPerSecond{4e12};
  ServeOptions options;
  options.engine.mechanisms.prefetch = true;
  const NodeResult r = served(node, composition(2), workload({{0, 0, 10, 1}, {0, 1, 10, 1}}), options);
  // Prefetch: 103 to 106 set-up; then 97 ps of the pass and 100 of the copy at 3/4 speed: the pass ends
  // 3 + 97 / 0.75 = 132.3 after 103; the copy's last 3 ps run at full speed.
  EXPECT_NEAR(static_cast<double>(r.records[0].prefill.value), 132.3, 1);
  EXPECT_NEAR(static_cast<double>(r.records[1].switching.value), 3, 1.5);
  EXPECT_GT(r.slowed_by_copies_s, 30e-12);
}

TEST(RuntimeEngine, CorruptCopiesAreRepeatedThenGivenUp) {
  TableNode node;
  ServeOptions options;
  FaultSpec fault;
  fault.kind = "corrupt";
  options.engine.faults = {fault};
  const NodeResult once = served(node, composition(1), workload({{0, 0, 10, 1}}), options);
  EXPECT_EQ(once.records[0].switching.value, 206);
  EXPECT_EQ(once.corrupt_copies, 1);
  EXPECT_EQ(once.bytes[0].bytes, 200);
  options.engine.faults[0].count = 3;
  const NodeResult thrice = served(node, composition(2), workload({{0, 0, 10, 1}, {0, 1, 10, 1}}), options);
  EXPECT_EQ(thrice.failed, 1);
  EXPECT_EQ(thrice.finished, 1);
  EXPECT_THAT(thrice.failures[0].reason, HasSubstr("checksum"));
}

TEST(RuntimeEngine, ACancelledRequestFailsAtTheNextToken) {
  TableNode node;
  ServeOptions options = iterating();
  FaultSpec fault;
  fault.kind = "cancel";
  fault.at_s = 250e-12;
  options.engine.faults = {fault};
  const NodeResult r = served(node, composition(1), workload({{0, 0, 10, 50}, {600, 0, 10, 1}}), options);
  EXPECT_EQ(r.failed, 1);
  EXPECT_EQ(r.failures[0].reason, "cancelled");
  EXPECT_TRUE(r.records[1].hit);
  EXPECT_EQ(r.records[1].queueing.value, 0);  // the first left at 313
}

TEST(RuntimeEngine, AnExpertRunsOnlyForThoseAllowedAndMemoryIsScrubbed) {
  TableNode node;
  node.node_memory.hbm_bytes = Bytes(150);  // one expert
  node.node_memory.hbm_bandwidth = BytesPerSecond{1e12};
  Workload w = workload({{0, 0, 5, 1}, {0, 1, 5, 1}, {0, 0, 5, 1}});
  w.tenants = {"a", "b"};
  w.requests[1].tenant = w.requests[2].tenant = TenantId(1);
  ServeOptions options;
  options.engine.owners = {{"expert-0", {"a"}}};
  options.engine.scrub = true;
  const NodeResult r = served(node, composition(2), w, options);
  EXPECT_EQ(r.failed, 1);
  EXPECT_THAT(r.failures[0].reason, HasSubstr("its tenant may not use expert expert-0"));
  EXPECT_EQ(r.scrubbed_bytes, 100);
  EXPECT_EQ(r.records[1].switching.value, 103 + 100);  // 100 B at a byte a picosecond
  ASSERT_EQ(r.tenants.size(), 2U);
  EXPECT_EQ(r.tenants[1].requests, 2);
  EXPECT_EQ(r.tenants[1].finished, 1);
}

TEST(RuntimeEngine, FollowersComeWhenWhatTheyFollowHasEnded) {
  TableNode node;
  ServeOptions options;
  options.dependencies = {{0, 1, Picoseconds(7)}, {1, 2, Picoseconds(0)}};
  const NodeResult r =
      served(node, composition(1), workload({{0, 0, 10, 1}, {0, 0, 10, 1}, {0, 0, 10, 1}}), options);
  EXPECT_EQ(r.records[1].arrival.value, 203 + 7);
  EXPECT_EQ(r.records[2].arrival.value, 310);
  EXPECT_EQ(r.records[2].queueing.value, 0);
}

TEST(RuntimeEngine, GroupsRunDifferentExpertsAtOnce) {
  TableNode node;
  const std::vector<SocketGroup> groups{{&node, 4}, {&node, 4}};
  const Workload w = workload({{0, 0, 10, 1}, {0, 1, 10, 1}});
  const NodeResult r = serve_groups(groups, composition(2), w, {}).value();
  for (const RequestRecord& record : r.records) EXPECT_EQ(record.end_to_end().value, 203);
  EXPECT_EQ(r.groups, 2);
}

TEST(RuntimeEngine, ASocketThatIsDownLosesItsRequestsToTheOtherGroupOrFailsThem) {
  TableNode node;
  const std::vector<SocketGroup> groups{{&node, 4}, {&node, 4}};
  ServeOptions options;
  FaultSpec fault;
  fault.kind = "socket-down";
  fault.at_s = 150e-12;
  options.engine.faults = {fault};
  // Expert 0 is asked for so often that both groups have it; expert 1 has one home.
  std::vector<std::tuple<int64_t, uint32_t, int64_t, int64_t>> rows(8, {0, 0, 10, 1});
  rows.push_back({0, 1, 10, 1});
  const NodeResult r = serve_groups(groups, composition(2), workload(rows), options).value();
  EXPECT_EQ(r.finished + r.failed, 9);
  EXPECT_GE(r.finished, 8);
  EXPECT_GE(r.restarts, 1);
}

TEST(RuntimeEngine, PromptsThatShareBlocksAreComputedOnce) {
  TableNode node;
  Workload w = workload({{0, 0, 40, 1}, {10'000, 0, 40, 1}});
  w.notes.resize(2);
  w.notes[0].prefix_blocks = {1, 2, 3};
  w.notes[1].prefix_blocks = {1, 2, 4};
  ServeOptions options = iterating();
  options.engine.prefix_block_tokens = 16;
  options.engine.kv_share = 1;
  const NodeResult r = served(node, composition(1), w, options);
  EXPECT_EQ(r.reused_prompt_tokens, 32);
  EXPECT_EQ(r.records[0].prefill.value, 400);
  EXPECT_EQ(r.records[1].prefill.value, 400 - 320 + 10);  // 8 tokens, and a pass's fixed part
}

TEST(RuntimeEngine, KvPagesLeaveForDdrUnderPressureAndComeBack) {
  TableNode node;
  node.node_memory.hbm_bytes = Bytes(200);  // 100 beside the expert for KV: 50 tokens
  ServeOptions options = iterating();
  options.engine.kv_page_tokens = 4;
  const NodeResult r =
      served(node, composition(1), workload({{0, 0, 10, 25}, {0, 0, 10, 25}, {0, 0, 10, 25}}), options);
  EXPECT_EQ(r.finished, 3);
  EXPECT_GT(r.kv_out_bytes, 0);
  EXPECT_EQ(r.kv_out_bytes, r.kv_in_bytes);
  EXPECT_LE(r.kv_peak_bytes, r.memory.kv_bytes);
}

TEST(RuntimeEngine, SharedBlocksOfASequenceThatLeavesMakeRoomToo) {
  // A prompt of blocks that others could share: what it holds leaves with it, or two such prompts would
  // block each other.
  TableNode node;
  node.node_memory.hbm_bytes = Bytes(400);  // 300 beside the expert that runs: two experts, 50 tokens
  Workload w = workload({{0, 0, 32, 12}, {500, 1, 32, 12}});
  w.notes.resize(2);
  w.notes[0].prefix_blocks = {1, 2, 3, 4};
  w.notes[1].prefix_blocks = {5, 6, 7, 8};
  ServeOptions options = iterating();
  options.engine.kv_page_tokens = 4;
  options.engine.prefix_block_tokens = 8;
  options.engine.quantum_steps = 4;
  options.engine.kv_share = 0.3;
  const NodeResult r = served(node, composition(2), w, options);
  EXPECT_EQ(r.failed, 0) << (r.failures.empty() ? "" : r.failures.front().reason);
  EXPECT_GE(r.kv_out_bytes, 64);  // the whole prompt: 32 tokens of 2 B
  EXPECT_LE(r.kv_peak_bytes, r.memory.kv_bytes);
}

TEST(RuntimeEngine, AnExpertThatIsWantedMoreWaitsForTheCopyThatHasTheOnlyRoom) {
  TableNode node;
  node.node_memory.hbm_bytes = Bytes(140);  // one expert, and 20 tokens of KV
  const Workload w = workload({{0, 0, 4, 2}, {10, 1, 4, 2}, {10, 1, 4, 2}});
  for (const SchedulerChoice& scheduler : schedulers()) {
    const NodeResult r = served(node, composition(2), w, iterating(scheduler.name));
    EXPECT_EQ(r.failed, 0) << scheduler.name << ": " << (r.failed > 0 ? r.failures.front().reason : "");
    EXPECT_GE(r.switches, 2);
  }
}

// A request takes 320 ps (prefill 200, one step 120); they come every `gap` ps, from number `from`
// on every 340.
bool saturates(int64_t gap, int from = 400) {
  TableNode node;
  std::vector<std::tuple<int64_t, uint32_t, int64_t, int64_t>> rows;
  int64_t arrival = 0;
  for (int i = 0; i < 400; ++i) {
    rows.emplace_back(arrival, 0, 20, 2);
    arrival += i < from ? gap : 340;
  }
  ServeOptions options;
  return served(node, composition(1), workload(rows), options).saturated;
}

TEST(RuntimeEngine, SaturatedIsAQueueThatDoesNotShrink) {
  EXPECT_FALSE(saturates(1000));
  EXPECT_TRUE(saturates(200));       // grows to the end
  EXPECT_TRUE(saturates(100, 200));  // grew by half of the requests' time, and stays
}

// Three experts in turn, room for two, time to spare between requests: LRU always has the other two.
TEST(RuntimeEngine, TransitionPredictionKnowsATurn) {
  for (const bool predicts : {false, true}) {
    TableNode node;
    node.node_memory.hbm_bytes = Bytes(250);
    std::vector<std::tuple<int64_t, uint32_t, int64_t, int64_t>> rows;
    for (uint32_t i = 0; i < 60; ++i) rows.emplace_back(i * 1000, i % 3, 10, 1);
    ServeOptions options;
    options.engine.mechanisms.predict_transition = predicts;
    const NodeResult r = served(node, composition(3), workload(rows), options);
    EXPECT_EQ(r.switching.count, predicts ? 7U : 60U);
    for (size_t i = 7; i < 60; ++i) EXPECT_EQ(r.records[i].hit, predicts) << i;
  }
}

// One expert is asked for nine times of ten; every tenth request pushes it out where there is room for one.
TEST(RuntimeEngine, PopularityPredictionBringsThePopularOneBack) {
  for (const bool predicts : {false, true}) {
    TableNode node;
    node.node_memory.hbm_bytes = Bytes(150);
    std::vector<std::tuple<int64_t, uint32_t, int64_t, int64_t>> rows;
    for (uint32_t i = 0; i < 100; ++i) rows.emplace_back(i * 1000, i % 10 == 9 ? 1 : 0, 10, 1);
    ServeOptions options;
    options.engine.mechanisms.predict_popularity = predicts;
    const NodeResult r = served(node, composition(2), workload(rows), options);
    // The first request and ten for the rare one; without prediction also those that come after these.
    EXPECT_EQ(r.switching.count, predicts ? 11U : 20U);
  }
}

TEST(RuntimeEngine, AQuantumLetsAnotherExpertInBetweenTokens) {
  TableNode node;
  const Workload w = workload({{0, 0, 10, 40}, {300, 1, 10, 1}});
  const NodeResult fair = served(node, composition(2), w, iterating("continuous"));
  EXPECT_GT(fair.records[1].queueing.value, 4000);
  ServeOptions options = iterating();
  options.engine.quantum_steps = 4;
  const NodeResult quantum = served(node, composition(2), w, options);
  EXPECT_LT(quantum.records[1].queueing.value, 600);
  EXPECT_GE(quantum.preemptions, 1);
}

}  // namespace
}  // namespace rdusim::runtime
