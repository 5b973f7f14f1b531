// Hand-computed schedules on a node whose costs are a table (tests/support/table_node.h).
#include "runtime/serving/serve.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/table_node.h"

namespace rdusim::runtime {
namespace {

using testing::HasSubstr;

Composition composition(int64_t experts, int64_t batch) {
  Composition c;
  c.name = "test";
  c.experts = {{"expert", "small", experts, {}}};
  c.router.kind = "trace";
  c.router.runs = "embed";
  c.router.model = "router";
  c.batch = batch;
  return c;
}

Workload workload(const std::vector<std::tuple<int64_t, uint32_t, int64_t, int64_t>>& rows) {
  Workload w;
  w.source = "test";
  for (const auto& [arrival, expert, prompt, output] : rows) {
    w.requests.push_back({Picoseconds(arrival), prompt, output, TenantId(), ExpertId(expert)});
  }
  return w;
}

NodeResult served(TableNode& node, const Composition& c, const Workload& w,
                  const ServeOptions& options = {}) {
  auto result = serve(node, c, w, options);
  EXPECT_TRUE(result.ok()) << result.error().to_string();
  return std::move(result).value();
}

TEST(RuntimeServe, OneRequestIsTheSumOfItsParts) {
  TableNode node;
  node.overhead = Picoseconds(11);
  const NodeResult r = served(node, composition(2, 1), workload({{500, 1, 4, 3}}));
  ASSERT_EQ(r.records.size(), 1U);
  const RequestRecord& one = r.records[0];
  EXPECT_EQ(one.queueing.value, 0);
  EXPECT_EQ(one.routing.value, 1000 + 5 * 4 + 11);     // and the host time of the router's pass
  EXPECT_EQ(one.switching.value, 3 + 100);             // set-up, 100 bytes at a byte a picosecond
  EXPECT_EQ(one.prefill.value, 10 * 4 + 11);           // and the host time of the request
  EXPECT_EQ(one.decode.value, (100 + 4) + (100 + 5));  // two more tokens
  EXPECT_FALSE(one.hit);
  EXPECT_DOUBLE_EQ(r.makespan_s, static_cast<double>(one.end_to_end().value) * 1e-12);
  EXPECT_DOUBLE_EQ(r.time_to_first_token.p50_s, (1031 + 103 + 51) * 1e-12);
  EXPECT_DOUBLE_EQ(r.time_per_output_token.mean_s, 209.0 / 2 * 1e-12);
}

TEST(RuntimeServe, BatchRoutesOnceThenRunsPairsInTurn) {
  TableNode node;
  // All there at 0; batch 2: requests 0 and 1, then 2.
  const NodeResult r =
      served(node, composition(2, 2), workload({{0, 0, 10, 1}, {0, 1, 20, 1}, {0, 0, 10, 1}}));
  EXPECT_EQ(r.batches, 2);
  EXPECT_EQ(r.records[0].routing.value, 1000 + 5 * 20);  // the longest prompt of the batch
  EXPECT_EQ(r.records[1].routing.value, 1100);
  EXPECT_EQ(r.records[0].queueing.value, 0);
  const int64_t first_pair = 103 + 100;
  EXPECT_EQ(r.records[1].queueing.value, first_pair);  // waits for the pair before it
  const int64_t second_pair = 103 + 200;
  EXPECT_EQ(r.records[2].queueing.value, 1100 + first_pair + second_pair);
  EXPECT_TRUE(r.records[2].hit);
  EXPECT_EQ(r.records[2].switching.value, 0);
  EXPECT_EQ(r.switches, 2);
  EXPECT_DOUBLE_EQ(r.expert_hit_rate, 1.0 / 3);
  EXPECT_DOUBLE_EQ(r.node_time.routing_s, (1100 + 1050) * 1e-12);
}

TEST(RuntimeServe, IdleUntilTheNextArrivalAndBatchesDoNotWait) {
  TableNode node;
  const NodeResult r =
      served(node, composition(1, 8), workload({{0, 0, 1, 1}, {1, 0, 1, 1}, {50'000, 0, 1, 1}}));
  EXPECT_EQ(r.batches, 3);  // request 1 arrives after the first batch was formed
  EXPECT_EQ(r.records[1].queueing.value, 1005 + 103 + 10 - 1);
  EXPECT_EQ(r.records[2].queueing.value, 0);
  EXPECT_DOUBLE_EQ(r.node_time.queueing_s, (50'000 - 1005 - 103 - 10 - 1005 - 10) * 1e-12);
}

TEST(RuntimeServe, LeastRecentlyUsedLeavesFirst) {
  TableNode node;
  // Router 50, KV 2 x (5 + 1) = 12: room for three experts of 100 in 400.
  node.node_memory.hbm_bytes = Bytes(400);
  const NodeResult r = served(node, composition(4, 1),
                              workload({{0, 0, 5, 1},
                                        {1, 1, 5, 1},
                                        {2, 2, 5, 1},
                                        {3, 0, 5, 1},
                                        {4, 3, 5, 1},
                                        {5, 0, 5, 1},
                                        {6, 1, 5, 1}}));
  const std::vector<bool> hits = {false, false, false, true, false, true, false};
  for (size_t i = 0; i < hits.size(); ++i) EXPECT_EQ(r.records[i].hit, hits[i]) << i;
  EXPECT_EQ(r.evictions, 2);  // 1 for 3, then 2 for 1
  ASSERT_EQ(r.timeline.size(), 5U);
  EXPECT_EQ(r.timeline[1].expert, ExpertId(1));
  EXPECT_EQ(r.timeline[1].evicted, r.timeline[3].load_begin);
  EXPECT_EQ(r.timeline[2].evicted, r.timeline[4].load_begin);
  EXPECT_FALSE(r.timeline[0].evicted.has_value());
  EXPECT_EQ(r.timeline[0].ready.value - r.timeline[0].load_begin.value, 103);
  EXPECT_EQ(r.memory.cache_bytes, 400 - 50 - 12);
  EXPECT_EQ(r.memory.cache_peak_bytes, 300);
}

TEST(RuntimeServe, BytesByTierPair) {
  TableNode node;
  const NodeResult r = served(node, composition(2, 1), workload({{0, 0, 4, 2}, {0, 1, 4, 1}}));
  ASSERT_EQ(r.bytes.size(), 7U);
  EXPECT_EQ(r.bytes[0].from, "store");
  EXPECT_EQ(r.bytes[0].bytes, 200);
  // hbm to chip: two router passes of 50, two prefills of 100, one decode step of 100.
  EXPECT_EQ(r.bytes[1].bytes, 2 * 50 + 2 * 100 + 100);
}

TEST(RuntimeServe, GeneratingRouterPaysPrefillAndDecode) {
  TableNode node;
  Composition c = composition(1, 1);
  c.router.runs = "generate";
  c.router.output_tokens = 3;
  const NodeResult r = served(node, c, workload({{0, 0, 6, 1}}));
  EXPECT_EQ(r.records[0].routing.value, 60 + 106 + 107);
  EXPECT_EQ(r.memory.kv_bytes, 2 * (6 + 3));  // the router's is the larger
}

TEST(RuntimeServe, NearestNeighboursAreTimedOncePerBatch) {
  TableNode node;
  Composition c = composition(1, 4);
  c.router.kind = "knn";
  c.router.knn.stored_vectors = 10;
  c.router.knn.dimensions = 4;
  c.router.knn.k = 3;
  const NodeResult r = served(node, c, workload({{0, 0, 1, 1}, {0, 0, 1, 1}}));
  EXPECT_EQ(r.records[1].routing.value, 1005 + 7);
  EXPECT_EQ(r.memory.router_bytes, 50 + 10 * 4 * 2);
}

TEST(RuntimeServe, StoreTooSmallIsAResult) {
  TableNode node;
  node.node_memory.store_bytes = Bytes(299);
  const NodeResult r = served(node, composition(3, 1), workload({{0, 0, 1, 1}}));
  EXPECT_EQ(r.status, NodeStatus::kOutOfMemory);
  EXPECT_THAT(r.reason, HasSubstr("out of memory: 3 experts take 300 B, the store holds 299 B"));
  EXPECT_EQ(r.requests, r.finished + r.failed);
  EXPECT_EQ(node.calls, 0);
  node.node_memory.store_bytes = Bytes(300);
  EXPECT_EQ(served(node, composition(3, 1), workload({{0, 0, 1, 1}})).status, NodeStatus::kServed);
}

TEST(RuntimeServe, ExpertThatNeverFitsHbmIsAResult) {
  TableNode node;
  node.node_memory.hbm_bytes = Bytes(149);
  const NodeResult r = served(node, composition(1, 1), workload({{0, 0, 1, 1}}));
  EXPECT_EQ(r.status, NodeStatus::kOutOfMemory);
  EXPECT_TRUE(r.expert_too_large);
  EXPECT_THAT(r.reason, HasSubstr("expert expert of 100 B does not fit HBM of 149 B"));
}

TEST(RuntimeServe, RequestWhoseCacheNeverFitsFailsAlone) {
  TableNode node;
  node.node_memory.hbm_bytes = Bytes(200);  // 50 bytes left for KV: 25 tokens
  const NodeResult r =
      served(node, composition(1, 1), workload({{0, 0, 24, 1}, {0, 0, 25, 1}, {0, 0, 3, 1}}));
  EXPECT_EQ(r.finished, 2);
  EXPECT_EQ(r.failed, 1);
  ASSERT_EQ(r.failures.size(), 1U);
  EXPECT_EQ(r.failures[0].request, RequestId(1));
  EXPECT_THAT(r.failures[0].reason, HasSubstr("KV cache of 26 tokens does not fit"));
  EXPECT_TRUE(r.records[1].failed);
  EXPECT_EQ(r.latency.count, 2);
}

TEST(RuntimeServe, EveryRequestFailed) {
  TableNode node;
  node.node_memory.hbm_bytes = Bytes(152);
  const NodeResult r = served(node, composition(1, 1), workload({{9, 0, 24, 1}}));
  EXPECT_EQ(r.finished, 0);
  EXPECT_EQ(r.failed, 1);
  EXPECT_EQ(r.makespan_s, 0);
  EXPECT_EQ(r.latency.count, 0);
}

TEST(RuntimeServe, BadOptionsAreErrors) {
  TableNode node;
  const Workload w = workload({{0, 0, 1, 1}});
  ServeOptions options;
  options.batch = 0;
  EXPECT_THAT(serve(node, composition(1, 1), w, options).error().what, HasSubstr("batch is 0"));
  options = {};
  options.eviction = "lur";
  auto result = serve(node, composition(1, 1), w, options);
  EXPECT_THAT(result.error().what, HasSubstr("unknown eviction policy 'lur'"));
  EXPECT_THAT(result.error().hint, HasSubstr("did you mean 'lru'?"));
  options = {};
  options.scheduler = "sequentail";
  result = serve(node, composition(1, 1), w, options);
  EXPECT_THAT(result.error().what, HasSubstr("unknown scheduler 'sequentail'"));
  EXPECT_THAT(result.error().hint, HasSubstr("sequential"));
  EXPECT_THAT(serve(node, composition(1, 1), workload({}), {}).error().what, HasSubstr("no requests"));
  EXPECT_THAT(serve(node, composition(1, 1), workload({{0, 0, 0, 1}}), {}).error().what,
              HasSubstr("0 prompt tokens"));
}

TEST(RuntimeServe, WhatTheExecutionModelRefusesIsAnError) {
  TableNode node;
  Composition c = composition(1, 1);
  c.experts[0].model = "unheard-of";
  EXPECT_THAT(serve(node, c, workload({{0, 0, 1, 1}}), {}).error().what, HasSubstr("no model unheard-of"));
}

}  // namespace
}  // namespace rdusim::runtime
