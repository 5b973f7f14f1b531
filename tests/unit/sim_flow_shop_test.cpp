// Pipelines in time: hand-made schedules, closed forms of the steady state, and a simulator that goes from
// event to event instead of by maxima.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include "base/random.h"
#include "sim/pipeline/flow_shop.h"

namespace rdusim::sim {
namespace {

FlowShop equal_shop(size_t micro_batches, const std::vector<int64_t>& cycles) {
  FlowShop shop;
  shop.cycles.assign(micro_batches, cycles);
  return shop;
}

TEST(FlowShop, OnePassTakesTheSumOfStagesAndTransfers) {
  const FlowRun run = run_flow_shop(equal_shop(1, {100, 7, 50, 7, 80}));
  EXPECT_EQ(run.first.cycles, 244);
  EXPECT_EQ(run.first.binding(), 0U);
  EXPECT_FALSE(run.steady.has_value());
  EXPECT_DOUBLE_EQ(run.first.bubble_share(), 1 - 230.0 / (3 * 244));
}

TEST(FlowShop, MicroBatchesOverlap) {
  const FlowRun run = run_flow_shop(equal_shop(4, {10, 1, 10}));
  EXPECT_EQ(run.first.cycles, 10 + 1 + 4 * 10);
  EXPECT_EQ(run.steps[3][0].begin, 30);
  EXPECT_EQ(run.steps[3][2].end, 51);
  // (P - 1) / (M + P - 1), as usual, when transfers take next to nothing.
  const FlowRun free = run_flow_shop(equal_shop(8, {10, 0, 10, 0, 10, 0, 10}));
  EXPECT_DOUBLE_EQ(free.first.bubble_share(), 3.0 / 11);
}

TEST(FlowShop, AFullBufferStopsTheStageBeforeIt) {
  FlowShop shop = equal_shop(4, {1, 1, 100});
  shop.slots = 1;
  const FlowRun one = run_flow_shop(shop);
  // One slot a side: batch 2 is computed when batch 1 has been sent, which waits for batch 0's slot.
  EXPECT_EQ(one.steps[1][1].begin, 102);
  EXPECT_EQ(one.steps[2][0].begin, 103);
  shop.slots = 2;
  const FlowRun two = run_flow_shop(shop);
  EXPECT_EQ(two.steps[1][1].begin, 2);
  EXPECT_EQ(two.steps[2][0].begin, 2);
  EXPECT_EQ(two.steps[2][1].begin, 102);
  EXPECT_EQ(two.first.binding(), 2U);
}

TEST(FlowShop, TheSlowestOfStageLinkAndWayRoundBindsALoop) {
  Random random(11);
  for (int trial = 0; trial < 200; ++trial) {
    const size_t stages = 1 + random.below(5);
    std::vector<int64_t> cycles;
    for (size_t q = 0; q + 1 < 2 * stages; ++q)
      cycles.push_back(static_cast<int64_t>(1 + random.below(q % 2 == 0 ? 60 : 20)));
    const size_t groups = 1 + random.below(7);
    FlowShop shop = equal_shop(groups, cycles);
    shop.slots = static_cast<int64_t>(1 + random.below(3));
    shop.return_cycles = static_cast<int64_t>(random.below(30));
    const FlowRun run = run_flow_shop(shop);
    ASSERT_TRUE(run.periodic && run.steady);
    // The largest mean of a circuit: a machine; a machine, the next and the buffers between; the way round.
    double a_job = static_cast<double>(std::accumulate(cycles.begin(), cycles.end(), *shop.return_cycles)) /
                   static_cast<double>(groups);
    for (size_t q = 0; q < cycles.size(); ++q) {
      a_job = std::max(a_job, static_cast<double>(cycles[q]));
      if (q + 1 == cycles.size()) continue;
      a_job =
          std::max(a_job, static_cast<double>(cycles[q] + cycles[q + 1]) / static_cast<double>(shop.slots));
    }
    EXPECT_NEAR(run.steady->cycles_per_round(), a_job * static_cast<double>(groups), 1e-9);
  }
}

// The same shop from event to event: at each instant, whatever can begin begins.
std::vector<std::vector<FlowStep>> by_events(const FlowShop& shop) {
  const size_t jobs = shop.cycles.size();
  const size_t machines = shop.cycles.front().size();
  constexpr int64_t kNever = INT64_MAX;
  std::vector<std::vector<FlowStep>> steps(jobs, std::vector<FlowStep>(machines, {kNever, kNever}));
  std::vector<size_t> next(machines, 0);   // job that the machine does next
  std::vector<int64_t> held(machines, 0);  // buffers behind the machine that are taken
  int64_t now = 0;
  const auto running = [&](size_t q) { return next[q] > 0 && steps[next[q] - 1][q].end > now; };
  while (next.back() < jobs || running(machines - 1)) {
    // What ends now frees the buffer that it read.
    for (size_t q = 1; q < machines; ++q) {
      for (size_t j = 0; j < next[q]; ++j) held[q - 1] -= steps[j][q].end == now ? 1 : 0;
    }
    for (bool more = true; more;) {
      more = false;
      for (size_t q = 0; q < machines; ++q) {
        const size_t j = next[q];
        if (j == jobs || running(q) || (q > 0 && steps[j][q - 1].end > now)) continue;
        if (q + 1 < machines && held[q] == shop.slots) continue;
        steps[j][q] = {now, now + shop.cycles[j][q]};
        if (q + 1 < machines) ++held[q];
        ++next[q];
        more = true;
      }
    }
    int64_t soonest = kNever;
    for (size_t q = 0; q < machines; ++q) {
      if (running(q)) soonest = std::min(soonest, steps[next[q] - 1][q].end);
    }
    if (soonest == kNever) break;
    now = soonest;
  }
  return steps;
}

TEST(FlowShop, EqualsASimulationFromEventToEvent) {
  Random random(5);
  for (int trial = 0; trial < 300; ++trial) {
    FlowShop shop;
    const size_t machines = 2 * random.below(4) + 1;
    shop.slots = static_cast<int64_t>(1 + random.below(3));
    shop.cycles.resize(1 + random.below(9));
    for (auto& cycles : shop.cycles) {
      for (size_t q = 0; q < machines; ++q) cycles.push_back(static_cast<int64_t>(1 + random.below(20)));
    }
    const FlowRun run = run_flow_shop(shop);
    const auto expected = by_events(shop);
    for (size_t j = 0; j < shop.cycles.size(); ++j) {
      for (size_t q = 0; q < machines; ++q) {
        ASSERT_EQ(run.steps[j][q].begin, expected[j][q].begin) << trial << " job " << j << " machine " << q;
        ASSERT_EQ(run.steps[j][q].end, expected[j][q].end);
      }
    }
    // The critical chain is as long as the run, and no machine is on it longer than it works.
    int64_t chain = run.first.return_critical_cycles;
    for (const MachineUse& use : run.first.machines) {
      chain += use.critical_cycles;
      EXPECT_LE(use.critical_cycles, use.busy_cycles);
    }
    EXPECT_EQ(chain, run.first.cycles);
  }
}

TEST(FlowShop, ALoopsCriticalChainFillsItsWindow) {
  Random random(17);
  for (int trial = 0; trial < 100; ++trial) {
    FlowShop shop;
    shop.cycles.resize(1 + random.below(4));
    for (auto& cycles : shop.cycles) {
      for (size_t q = 0; q < 5; ++q) cycles.push_back(static_cast<int64_t>(random.below(30)));
    }
    shop.return_cycles = static_cast<int64_t>(random.below(10));
    const FlowRun run = run_flow_shop(shop);
    ASSERT_TRUE(run.steady.has_value());
    int64_t chain = run.steady->return_critical_cycles;
    for (const MachineUse& use : run.steady->machines) chain += use.critical_cycles;
    EXPECT_EQ(chain, run.steady->cycles);
    EXPECT_GE(run.steady->bubble_share(), 0);
  }
}

}  // namespace
}  // namespace rdusim::sim
