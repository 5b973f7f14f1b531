// Holds for every device, scheduler and refresh: the commands of random traffic obey every timing of the
// device's file, as a slow checker reads them; each request completes once, in order of time; bandwidth stays
// below the peak; the same run gives the same commands.
#include <gtest/gtest.h>

#include <set>

#include "base/random.h"
#include "sim/dram/traffic.h"
#include "tests/support/dram_bench.h"

namespace rdusim::sim {
namespace {

using namespace rdusim::testing;  // NOLINT: device words

struct Variant {
  const char* device;
  const char* scheduler;
  const char* refresh;
  const char* row_policy;
};

constexpr Variant kVariants[] = {{"hbm3-6400", "fr_fcfs_row_hit", "all_bank", "open"},
                                 {"hbm3-6400", "fr_fcfs", "per_bank", "open"},
                                 {"hbm3-6400", "fcfs", "all_bank", "closed"},
                                 {"hbm3-6400", "fr_fcfs_row_hit", "staggered", "closed"},
                                 {"hbm2-2000", "fr_fcfs", "all_bank", "open"},
                                 {"hbm2-2000", "fr_fcfs_row_hit", "per_bank", "closed"},
                                 {"hbm2-2000", "fcfs", "none", "open"},
                                 {"ddr5-4800", "fr_fcfs_row_hit", "all_bank", "open"},
                                 {"ddr5-4800", "fr_fcfs", "none", "closed"},
                                 {"ddr5-4800", "fcfs", "all_bank", "open"},
                                 {"ddr4-3200", "fr_fcfs_row_hit", "staggered", "open"},
                                 {"ddr4-3200", "fr_fcfs_row_hit", "all_bank", "open"}};

DramSpec spec_of(const Variant& variant) {
  DramSpec spec = dram(variant.device);
  spec.controller.scheduler = variant.scheduler;
  spec.controller.refresh = variant.refresh;
  spec.controller.row_policy = variant.row_policy;
  return spec;
}

// Bursts of requests with gaps between them; few rows and columns, so that hits, conflicts and repeats
// happen.
std::vector<DramRequest> random_requests(const DramSpec& spec, Random& random, size_t count) {
  std::vector<DramRequest> requests;
  const auto banks = static_cast<uint64_t>(spec.organisation.banks_per_channel());
  int64_t arrival = 1;
  const uint64_t used_banks = random.below(2) == 0 ? banks : 3;
  const uint64_t writes = random.below(4);  // of four
  for (size_t i = 0; i < count; ++i) {
    arrival += static_cast<int64_t>(random.below(200) == 0 ? random.below(6000) : random.below(6));
    requests.push_back({arrival, static_cast<int32_t>(random.below(used_banks)),
                        static_cast<int32_t>(random.below(4)), static_cast<int32_t>(random.below(16)),
                        random.below(4) < writes});
  }
  return requests;
}

TEST(DramProperty, CommandsObeyEveryTiming) {
  Random random(7);
  for (const Variant& variant : kVariants) {
    const DramSpec spec = spec_of(variant);
    for (int round = 0; round < 4; ++round) {
      const auto requests = random_requests(spec, random, 1500);
      const DramRun run = run_requests(spec, requests, 40'000);
      EXPECT_EQ(DramChecker(spec).check(run.commands), "")
          << variant.device << " " << variant.scheduler << " " << variant.refresh;
      EXPECT_GT(run.commands.size(), 500U);
    }
  }
}

TEST(DramProperty, TheCheckerSeesABreach) {
  const DramSpec spec = dram("ddr5-4800");
  std::vector<DramCommand> trace = run_requests(spec, {{1, 0, 7, 0, false}, {1, 4, 7, 0, false}}).commands;
  EXPECT_EQ(DramChecker(spec).check(trace), "");
  --trace.back().tick;
  EXPECT_NE(DramChecker(spec).check(trace), "");
}

TEST(DramProperty, EachRequestCompletesOnceInOrderOfTime) {
  Random random(8);
  for (const Variant& variant : kVariants) {
    const DramSpec spec = spec_of(variant);
    const auto requests = random_requests(spec, random, 1500);
    const DramRun run = run_requests(spec, requests);
    std::set<uint64_t> tags;
    int64_t last = 0;
    for (const auto& completion : run.completions) {
      EXPECT_GE(completion.tick, last);
      last = completion.tick;
      EXPECT_GE(completion.tick, requests[completion.tag].arrival);
      EXPECT_EQ(completion.write, requests[completion.tag].write);
      tags.insert(completion.tag);
    }
    EXPECT_EQ(tags.size(), requests.size());
    EXPECT_EQ(run.completions.size(), requests.size());
    // Posted writes may still wait when the last completion is out; what was counted is consistent.
    const DramStats& s = run.stats;
    EXPECT_LE(s.reads + s.writes, s.row_hits + s.row_misses + s.row_conflicts);
    EXPECT_EQ(s.reads + s.forwarded_reads,
              std::count_if(requests.begin(), requests.end(), [](const auto& r) { return !r.write; }));
  }
}

TEST(DramProperty, SameRequestsSameCommands) {
  Random random(9);
  const DramSpec spec = dram("hbm3-6400");
  const auto requests = random_requests(spec, random, 1000);
  const auto once = run_requests(spec, requests).commands;
  const auto again = run_requests(spec, requests).commands;
  ASSERT_EQ(once.size(), again.size());
  for (size_t i = 0; i < once.size(); ++i) {
    EXPECT_EQ(once[i].tick, again[i].tick);
    EXPECT_EQ(once[i].bank, again[i].bank);
  }
}

TEST(DramProperty, NeverAboveThePeak) {
  for (const char* device : {"hbm3-6400", "hbm2-2000", "ddr5-4800", "ddr4-3200"}) {
    for (const auto pattern :
         {DramPattern::kSequential, DramPattern::kRandom, DramPattern::kStreams, DramPattern::kMix}) {
      for (const auto direction :
           {DramDirection::kRead, DramDirection::kWrite, DramDirection::kTwoReadsOneWrite}) {
        const auto r =
            run_dram_traffic(dram(device), {.pattern = pattern, .direction = direction, .bursts = 4000});
        ASSERT_TRUE(r.ok());
        EXPECT_EQ(r->bursts_done, 4000);
        EXPECT_GT(r->fraction_of_peak, 0.1);
        EXPECT_LE(r->fraction_of_peak,
                  direction == DramDirection::kRead ? 1.0 : 1.1);  // posted writes run ahead
        EXPECT_LE(r->data_bus_share, 1.0);
      }
    }
  }
}

}  // namespace
}  // namespace rdusim::sim
