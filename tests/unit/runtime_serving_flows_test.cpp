// Flows, conversations and closed loops through the engine, on schedules computed by hand. The node's costs:
// tests/support/table_node.h; a copy of an expert takes 103 ps.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/plan_requests.h"
#include "runtime/serving/serve.h"
#include "tests/support/table_node.h"

namespace rdusim::runtime {
namespace {

using testing::HasSubstr;

FlowStep step(const std::string& name, const std::string& expert, std::vector<std::string> after = {}) {
  FlowStep s;
  s.name = name;
  s.expert = expert;
  s.after = std::move(after);
  return s;
}

Composition composition(std::vector<FlowStep> steps) {
  Composition c;
  c.name = "test";
  c.experts = {{"expert", "small", 4, {}}};
  c.router.kind = "trace";
  c.router.runs = "none";
  if (!steps.empty()) c.flows.push_back({"flow", 1, {}, std::move(steps)});
  return c;
}

Workload workload(const std::vector<std::tuple<int64_t, uint32_t, int64_t, int64_t>>& rows) {
  Workload w;
  w.source = "test";
  for (const auto& [arrival, expert, prompt, output] : rows)
    w.requests.push_back({Picoseconds(arrival), prompt, output, TenantId(), ExpertId(expert)});
  return w;
}

NodeResult served(ExecutionModel& node, const Composition& c, const Workload& w, ServeOptions options) {
  const auto plans = plan_requests(w, c, 1);
  EXPECT_TRUE(plans.ok()) << plans.error().to_string();
  options.plans = &*plans;
  options.engine.host_iteration_s = 0;
  auto result = serve(node, c, w, options);
  EXPECT_TRUE(result.ok()) << result.error().to_string();
  return std::move(result).value();
}

TEST(RuntimeServingFlows, AChainRunsOneStepAfterTheOther) {
  for (const char* scheduler : {"sequential", "continuous"}) {
    TableNode node;
    ServeOptions options;
    options.scheduler = scheduler;
    const NodeResult r = served(node, composition({step("a", "expert-0"), step("b", "expert-1")}),
                                workload({{0, 0, 10, 3}}), options);
    // a: copy 103, prefill 100, two steps of 110 and 111; b reads 10 + 3 tokens.
    ASSERT_EQ(r.steps.size(), 2U);
    EXPECT_EQ(r.steps[1].arrival.value, 103 + 100 + 221);
    EXPECT_EQ(r.records[0].queueing.value, 0);
    EXPECT_EQ(r.records[0].switching.value, 206);
    EXPECT_EQ(r.records[0].prefill.value, 100 + 130);
    EXPECT_EQ(r.records[0].earlier.value, 221);
    EXPECT_EQ(r.records[0].decode.value, 113 + 114);
    EXPECT_EQ(r.requests, 1);
    EXPECT_EQ(r.finished, 1);
    ASSERT_EQ(r.flows.size(), 2U);
    EXPECT_EQ(r.flows[1].steps[0].finished, 1);
    EXPECT_DOUBLE_EQ(r.flows[1].steps[1].split.prefill_s, 130e-12);
    EXPECT_DOUBLE_EQ(r.split.earlier_s, 221e-12);
    EXPECT_EQ(r.experts[1].requests, 1);
  }
}

TEST(RuntimeServingFlows, TheNextStepsExpertIsCopiedWhileThisOneRuns) {
  for (const char* scheduler : {"sequential", "continuous"}) {
    TableNode node;
    ServeOptions options;
    options.scheduler = scheduler;
    options.engine.mechanisms.prefetch_flows = true;
    const Composition c = composition({step("a", "expert-0"), step("b", "expert-1"), step("c", "expert-2")});
    const NodeResult r = served(node, c, workload({{0, 0, 10, 3}}), options);
    // a waits for its own copy; b's and c's run beside the steps before them (321 ps and more).
    EXPECT_EQ(r.steps[0].switching.value, 103);
    EXPECT_EQ(r.steps[1].switching.value, 0) << scheduler;
    EXPECT_EQ(r.steps[2].switching.value, 0) << scheduler;
    EXPECT_EQ(r.prefetched_bytes, 200);
    EXPECT_EQ(r.prefetch_wasted_bytes, 0);
  }
}

TEST(RuntimeServingFlows, WhomAnAnswerIsRoutedToIsNotKnownBefore) {
  TableNode node;
  ServeOptions options;
  options.engine.mechanisms.prefetch_flows = true;
  Composition c = composition({step("a", "expert-0"), step("b", "routed")});
  c.router.runs = "embed";
  c.router.model = "router";
  Workload w = workload({{0, 0, 10, 3}});
  w.popularity = PopularityLaw{};
  for (uint64_t seed = 1; seed < 40; ++seed) {
    RequestPlans plans = plan_requests(w, c, seed).value();
    if (plans.nodes[1].expert == plans.nodes[0].expert) continue;
    options.plans = &plans;
    const NodeResult r = serve(node, c, w, options).value();
    EXPECT_EQ(r.steps[1].switching.value, 103);
    EXPECT_EQ(r.prefetched_bytes, 0);
  }
}

TEST(RuntimeServingFlows, AJudgeComesAfterAllBranches) {
  TableNode node;
  const std::vector<SocketGroup> groups{{&node, 4}, {&node, 4}, {&node, 4}};
  const Composition c = composition({step("a", "expert-0", {"request"}), step("b", "expert-1", {"request"}),
                                     step("judge", "expert-2", {"a", "b"})});
  const Workload w = workload({{0, 0, 10, 2}});
  const RequestPlans plans = plan_requests(w, c, 1).value();
  ServeOptions options;
  options.plans = &plans;
  const NodeResult r = serve_groups(groups, c, w, options).value();
  // Both branches run at once: 103 + 100 + 110; the judge reads 14 tokens.
  EXPECT_EQ(r.steps[0].end_to_end().value, 313);
  EXPECT_EQ(r.steps[1].end_to_end().value, 313);
  EXPECT_EQ(r.steps[2].arrival.value, 313);
  EXPECT_EQ(r.records[0].end_to_end().value, 313 + 103 + 140 + 114);
  EXPECT_EQ(r.records[0].earlier.value, 110);
  EXPECT_EQ(r.records[0].time_to_first_token().value, 313 + 103 + 140);
}

TEST(RuntimeServingFlows, WithoutAJudgeTheFirstAnswerIsTheFirstToken) {
  TableNode node;
  const NodeResult r =
      served(node, composition({step("a", "expert-0", {"request"}), step("b", "expert-1", {"request"})}),
             workload({{0, 0, 10, 2}}), {});
  // a: 103, 100, 110; then b: 103, 100, 110.
  EXPECT_EQ(r.records[0].time_to_first_token().value, 203);
  EXPECT_EQ(r.records[0].end_to_end().value, 626);
  EXPECT_EQ(r.records[0].output_tokens, 4);
}

TEST(RuntimeServingFlows, CopiesShareAPromptAndItsPages) {
  TableNode node;
  FlowStep best = step("best", "expert-0");
  best.copies = 4;
  ServeOptions options;
  options.scheduler = "continuous";
  options.engine.kv_page_tokens = 4;
  options.engine.kv_share = 0.5;
  const NodeResult r = served(node, composition({best}), workload({{0, 0, 10, 3}}), options);
  EXPECT_EQ(r.records[0].prefill.value, 100);       // the prompt is read once
  EXPECT_EQ(r.records[0].decode.value, 110 + 111);  // and the copies decode together
  // Eight tokens of the prompt once; for each copy the other two and three outputs: two pages. 2 B a token.
  EXPECT_EQ(r.kv_peak_bytes, 2 * (8 + 4 * 8));
  EXPECT_DOUBLE_EQ(r.output_tokens_per_s * r.makespan_s, 12);
  // Copies are sequences of the batch: a second request does not join four that fill it.
  options.engine.max_running = 4;
  const NodeResult two = served(node, composition({best}), workload({{0, 0, 10, 3}, {0, 0, 10, 3}}), options);
  EXPECT_EQ(two.records[1].queueing.value + two.records[1].switching.value, 103 + 100 + 221);
}

TEST(RuntimeServingFlows, AStepThatFailsFailsItsRequestOnceAndStopsTheOthers) {
  TableNode node;
  ServeOptions options;
  FaultSpec fault;
  fault.kind = "corrupt";
  fault.count = 3;
  fault.expert = "expert-1";
  options.engine.faults = {fault};
  const NodeResult r = served(node,
                              composition({step("a", "expert-0", {"request"}),
                                           step("b", "expert-1", {"request"}), step("c", "expert-2")}),
                              workload({{0, 0, 10, 2}, {2000, 0, 10, 2}}), options);
  EXPECT_EQ(r.failed, 2);
  ASSERT_EQ(r.failures.size(), 2U);
  EXPECT_THAT(r.failures[0].reason, HasSubstr("step b: its expert's weights failed their checksum"));
  EXPECT_THAT(r.failures[1].reason, HasSubstr("step b: its expert's weights are damaged"));
  const auto& steps = r.flows[1].steps;
  EXPECT_EQ(steps[0].finished + steps[0].stopped, 2);
  EXPECT_EQ(steps[1].failed, 2);
  EXPECT_EQ(steps[2].stopped, 2);
}

TEST(RuntimeServingFlows, ACancelledRequestStopsWhereItIs) {
  TableNode node;
  ServeOptions options;
  FaultSpec fault;
  fault.kind = "cancel";
  fault.at_s = 500e-12;  // while b runs
  options.engine.faults = {fault};
  const NodeResult r =
      served(node, composition({step("a", "expert-0"), step("b", "expert-1"), step("c", "expert-2")}),
             workload({{0, 0, 10, 3}}), options);
  EXPECT_EQ(r.failures[0].reason, "step b: cancelled");
  EXPECT_EQ(r.flows[1].steps[0].finished, 1);
  EXPECT_EQ(r.flows[1].steps[2].stopped, 1);
}

TEST(RuntimeServingFlows, AnAnswerIsRoutedAgain) {
  TableNode node;
  Composition c = composition({step("a", "expert-0"), step("b", "routed")});
  c.router.runs = "embed";
  c.router.model = "router";
  Workload w = workload({{0, 0, 10, 2}});
  w.popularity = PopularityLaw{PopularityLaw::Kind::kUniform, 0};
  const NodeResult r = served(node, c, w, {});
  EXPECT_EQ(r.batches, 2);
  EXPECT_EQ(r.steps[1].routing.value, 1000 + 5 * 12);
  EXPECT_EQ(r.records[0].routing.value, 1050 + 1060);
}

TEST(RuntimeServingFlows, AClosedLoopAsksWhenItHasItsAnswer) {
  TableNode node;
  Workload w = workload({{0, 0, 10, 1}, {1, 0, 10, 1}, {2, 0, 10, 1}});
  w.closed_loop = true;
  w.follows = {{0, Follow::kNone, 0, {}}, {1, 0, 0, Picoseconds(50)}, {2, 1, 0, Picoseconds(60)}};
  const NodeResult r = served(node, composition({}), w, {});
  EXPECT_EQ(r.records[1].arrival.value, 203 + 50);
  EXPECT_EQ(r.records[2].arrival.value, 353 + 60);
  // A client whose question failed asks on, the rest of that conversation fails.
  ServeOptions options;
  FaultSpec fault;
  fault.kind = "cancel";
  fault.at_s = 150e-12;  // while its prompt is read
  options.engine.faults = {fault};
  const NodeResult on = served(node, composition({}), w, options);
  EXPECT_EQ(on.failed, 1);
  EXPECT_EQ(on.records[1].arrival.value, 103 + 100 + 50);  // the prefill under way is finished
  w.follows[1].session = 0;
  const NodeResult off = served(node, composition({}), w, options);
  EXPECT_EQ(off.failed, 2);
  EXPECT_EQ(off.failures[1].reason, "a request that it follows failed");
  EXPECT_EQ(off.finished, 1);
}

TEST(RuntimeServingFlows, AFollowerComesOnceAndNotBeforeItsOwnArrival) {
  TableNode node;
  Workload w = workload({{0, 0, 10, 1}, {5000, 0, 10, 1}});
  w.follows = {{0, Follow::kNone, 0, {}}, {0, 0, 0, Picoseconds(50)}};
  const NodeResult r = served(node, composition({}), w, {});
  EXPECT_EQ(r.records[1].arrival.value, 5000);
  EXPECT_EQ(r.finished, 2);
  EXPECT_EQ(r.experts[0].requests, 2);
}

TEST(RuntimeServingFlows, ALaterTurnFindsTheConversationsPages) {
  TableNode node;
  Workload w = workload({{0, 0, 20, 1}, {1, 0, 44, 1}});
  w.follows = {{0, Follow::kNone, 0, {}}, {0, 0, 21, Picoseconds(5)}};
  ServeOptions options;
  options.scheduler = "continuous";
  options.engine.kv_share = 0.5;
  options.engine.kv_page_tokens = 1;
  options.engine.prefix_block_tokens = 8;
  const NodeResult r = served(node, composition({}), w, options);
  EXPECT_EQ(r.reused_prompt_tokens, 16);                  // two whole blocks of the first turn's 20 tokens
  EXPECT_EQ(r.records[1].prefill.value, 440 - 160 + 10);  // the chunk rule of execution.h
  options.engine.prefix_sharing = false;
  EXPECT_EQ(served(node, composition({}), w, options).reused_prompt_tokens, 0);
}

}  // namespace
}  // namespace rdusim::runtime
