// Timing of the DRAM controllers by hand: what one to a few requests take, in ticks of the device's own
// clock.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sim/dram/traffic.h"
#include "tests/support/dram_bench.h"

namespace rdusim::sim {
namespace {

using namespace rdusim::testing;  // NOLINT: device words
using Kind = DramCommandKind;

DramSpec without_refresh(const std::string& name) {
  DramSpec spec = dram(name);
  spec.controller.refresh = "none";
  return spec;
}

std::vector<Kind> kinds(const DramRun& run) {
  std::vector<Kind> found;
  for (const auto& command : run.commands) found.push_back(command.kind);
  return found;
}

// DDR5: activates and columns take two ticks, so tRCD between last ticks is tRCD between first ticks.
TEST(Dram, ReadOfAClosedBank) {
  const auto run = run_requests(without_refresh("ddr5-4800"), {{1, 0, 7, 3, false}});
  EXPECT_THAT(kinds(run), ::testing::ElementsAre(Kind::kActivate, Kind::kRead));
  EXPECT_EQ(run.commands[0].tick, 1);
  EXPECT_EQ(run.commands[1].tick, 1 + 34);  // tRCD
  EXPECT_EQ(run.done(0), 1 + 34 + 34 + 8);  // tCL, burst
  EXPECT_EQ(run.stats.row_misses, 1);
}

// HBM2: an activate of two ticks delays the read of one tick by one.
TEST(Dram, TwoTickActivate) {
  const auto run = run_requests(without_refresh("hbm2-2000"), {{1, 0, 7, 3, false}});
  EXPECT_EQ(run.done(0), 1 + (14 + 1) + 14 + 2);
}

// HBM3: 62 + 3 - 2 ticks from activate to read, rounded up to a rising edge.
TEST(Dram, HalfCycleEdges) {
  const auto odd = run_requests(without_refresh("hbm3-6400"), {{1, 0, 7, 3, false}});
  EXPECT_EQ(odd.done(0), 1 + 64 + 40 + 4);
  const auto even = run_requests(without_refresh("hbm3-6400"), {{2, 0, 7, 3, false}});
  EXPECT_EQ(even.commands[0].tick, 3);
  EXPECT_EQ(even.done(0), 3 + 64 + 40 + 4);
}

// The front queue of the per-bank controller takes one tick.
TEST(Dram, PerBankQueuesReadOfAClosedBank) {
  const auto run = run_requests(without_refresh("ddr4-3200"), {{1, 0, 7, 3, false}});
  EXPECT_EQ(run.done(0), 1 + 1 + 22 + 22 + 4);
}

TEST(Dram, RowHitAndConflict) {
  const DramSpec spec = without_refresh("ddr5-4800");
  const auto run = run_requests(spec, {{1, 0, 7, 3, false}, {200, 0, 7, 4, false}, {400, 0, 8, 0, false}});
  EXPECT_EQ(run.done(1), 200 + 34 + 8);
  EXPECT_EQ(run.done(2),
            400 + (34 - 1) + 34 + 34 + 8);  // tRP from a one-tick precharge to a two-tick activate
  EXPECT_EQ(run.stats.row_hits, 1);
  EXPECT_EQ(run.stats.row_conflicts, 1);
}

TEST(Dram, ColumnToColumnInAndAcrossBankGroups) {
  const DramSpec spec = without_refresh("ddr5-4800");
  // Banks 0 and 4 are of different groups, 0 and 1 of the same; all rows are open before the reads of
  // interest.
  const auto spaced = [&](int32_t second) {
    const auto run = run_requests(
        spec,
        {{1, 0, 7, 0, false}, {60, second, 7, 0, false}, {300, 0, 7, 1, false}, {300, second, 7, 1, false}});
    const auto reads = run.of(Kind::kRead);
    return reads[3].tick - reads[2].tick;
  };
  EXPECT_EQ(spaced(4), 8);
  EXPECT_EQ(spaced(1), 12);
  EXPECT_EQ(spaced(0), 12);
}

TEST(Dram, StackIdSwitch) {
  const DramSpec spec = without_refresh("hbm3-6400");
  // Bank 16 is the first of stack id 1 of the same pseudo channel.
  const auto run = run_requests(spec, {{1, 0, 7, 0, false},
                                       {101, 16, 7, 0, false},
                                       {301, 0, 7, 1, false},
                                       {301, 16, 7, 1, false},
                                       {301, 17, 9, 0, false}});
  const auto reads = run.of(Kind::kRead);
  EXPECT_EQ(reads[3].tick - reads[2].tick, 6);
}

TEST(Dram, FifthActivateWaitsForTheWindow) {
  const DramSpec spec = without_refresh("ddr5-4800");
  std::vector<DramRequest> requests;
  for (int32_t group = 0; group < 5; ++group) requests.push_back({1, group * 4, 7, 0, false});
  const auto activates = run_requests(spec, requests).of(Kind::kActivate);
  ASSERT_EQ(activates.size(), 5U);
  for (size_t i = 0; i < 4; ++i) EXPECT_EQ(activates[i].tick, 1 + 8 * static_cast<int64_t>(i));  // tRRD_S
  EXPECT_EQ(activates[4].tick, 1 + 48);                                                          // tFAW
}

TEST(Dram, StackIdsShareTheWindowRanksDoNot) {
  DramSpec spec = without_refresh("ddr4-3200");
  std::vector<DramRequest> requests;
  for (int32_t i = 0; i < 5; ++i) requests.push_back({1, i < 4 ? i * 4 : 16, 7, 0, false});
  const auto ranks = run_requests(spec, requests).of(Kind::kActivate);
  spec.controller.activate_scope = "pseudo_channel";
  const auto shared = run_requests(spec, requests).of(Kind::kActivate);
  EXPECT_LT(ranks[4].tick, ranks[0].tick + 34);
  EXPECT_GE(shared[4].tick, shared[0].tick + 34);
}

TEST(Dram, TurnaroundBothWays) {
  const DramSpec spec = without_refresh("hbm2-2000");
  // Two reads open the banks; the write goes when no read waits, the last read after it.
  const auto run = run_requests(spec, {{1, 0, 7, 0, false},
                                       {100, 4, 7, 0, false},
                                       {200, 0, 7, 1, false},
                                       {201, 4, 7, 1, true},
                                       {214, 0, 7, 2, false}});
  const auto reads = run.of(Kind::kRead);
  const auto writes = run.of(Kind::kWrite);
  ASSERT_EQ(writes.size(), 1U);
  EXPECT_EQ(writes[0].tick, 200 + 13);                   // tRTW
  EXPECT_EQ(reads[3].tick, writes[0].tick + 5 + 2 + 6);  // cwl + burst + tWTR_S: another bank group
  EXPECT_EQ(run.stats.turnarounds, 2);
}

TEST(Dram, WritesDrainBetweenTheWatermarks) {
  DramSpec spec = without_refresh("hbm2-2000");
  spec.controller.write_queue = 10;
  std::vector<DramRequest> requests;
  // Reads that always wait, and nine writes: one above the high watermark of eight.
  for (int32_t i = 0; i < 32; ++i) requests.push_back({1, 0, 7, i, false});
  for (int32_t i = 0; i < 9; ++i) requests.push_back({1, 4, 7, i, true});
  const auto run = run_requests(spec, requests);
  int before_reads = 0;
  for (const auto& command : run.commands) {
    if (command.kind == Kind::kRead) break;
    before_reads += command.kind == Kind::kWrite ? 1 : 0;
  }
  EXPECT_EQ(before_reads, 8);  // the drain ends when fewer than two wait
}

TEST(Dram, AReadIsServedFromAWaitingWrite) {
  DramSpec spec = without_refresh("ddr5-4800");
  const auto run = run_requests(spec, {{1, 0, 7, 0, true}, {1, 0, 7, 0, false}, {1, 0, 7, 0, true}});
  EXPECT_EQ(run.done(1), 1);
  EXPECT_EQ(run.stats.forwarded_reads, 1);
  EXPECT_EQ(run.stats.coalesced_writes, 1);
  EXPECT_EQ(run.of(Kind::kWrite).size(), 1U);
}

TEST(Dram, AllBankRefreshClosesRowsAndComesOnTime) {
  const DramSpec spec = dram("ddr5-4800");
  const auto run = run_requests(spec, {{1, 0, 7, 0, false}, {9400, 0, 7, 1, false}}, 3 * 9375);
  const auto refreshes = run.of(Kind::kRefresh);
  ASSERT_EQ(refreshes.size(), 3U);
  EXPECT_EQ(refreshes[0].tick, 9375 + 34);  // precharge all, tRP
  EXPECT_EQ(run.of(Kind::kActivate)[1].tick,
            refreshes[0].tick + 710 - 1);  // tRFC to the last tick of the activate
  EXPECT_EQ(refreshes[2].tick, 3 * 9375);  // all closed since the second
}

TEST(Dram, StaggeredRefreshTakesRanksInTurn) {
  const auto run = run_requests(dram("ddr4-3200"), {}, 12480 * 2);
  const auto refreshes = run.of(Kind::kRefresh);
  ASSERT_EQ(refreshes.size(), 4U);
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(refreshes[i].tick, 6240 * static_cast<int64_t>(i + 1));
    EXPECT_EQ(refreshes[i].bank, i % 2 == 0 ? 0 : 16);
  }
}

TEST(Dram, FirstComeFirstServedKeepsTheOrder) {
  DramSpec spec = without_refresh("hbm2-2000");
  spec.controller.scheduler = "fcfs";
  // A conflict between two hits: in order it costs the row twice.
  const std::vector<DramRequest> requests = {{1, 0, 7, 0, false}, {1, 0, 8, 0, false}, {1, 0, 7, 1, false}};
  EXPECT_EQ(run_requests(spec, requests).stats.activates, 3);
  spec.controller.scheduler = "fr_fcfs_row_hit";
  EXPECT_EQ(run_requests(spec, requests).stats.activates, 2);
}

TEST(Dram, ClosedRowsPolicyClosesWhatNobodyWaitsFor) {
  DramSpec spec = without_refresh("hbm2-2000");
  spec.controller.row_policy = "closed";
  const auto run = run_requests(spec, {{1, 0, 7, 0, false}, {500, 0, 8, 0, false}});
  EXPECT_EQ(run.done(1), 500 + 15 + 16);  // no precharge to wait for
}

TEST(Dram, TrafficErrors) {
  const DramSpec spec = dram("hbm3-6400");
  EXPECT_FALSE(run_dram_traffic(spec, {.window_bytes = 16}).ok());
  EXPECT_FALSE(run_dram_traffic(spec, {.granule_bytes = 48}).ok());
  EXPECT_FALSE(run_dram_traffic(spec, {.bursts = 1}).ok());
  DramSpec bad = spec;
  bad.controller.mapping = "co1";
  EXPECT_FALSE(run_dram_traffic(bad, {}).ok());
}

}  // namespace
}  // namespace rdusim::sim
