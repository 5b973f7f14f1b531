// A fast subset of the reference table (configs/published/dram_streams.csv); `rdusim probe memory
// --reference` runs all of it. Tolerances: 5 % of the bandwidth of streams, 10 % of random and mixed
// patterns, 5 % of the latency of an idle device.
#include <gtest/gtest.h>

#include "sim/dram/traffic.h"
#include "tests/support/dram_bench.h"

namespace rdusim::sim {
namespace {

using namespace rdusim::testing;  // NOLINT: device words

struct Row {
  const char* device;
  bool refresh;
  DramPattern pattern;
  DramDirection direction;
  int64_t granule_bytes;
  int64_t window_bytes;
  int64_t bursts;
  double gigabytes_per_s;
  double latency_ns;  // 0: not judged
};

constexpr auto kRead = DramDirection::kRead;
constexpr Row kRows[] = {
    {"hbm3-6400", true, DramPattern::kRandom, kRead, 64, 64, 2000, 1.408, 45.16},
    {"hbm3-6400", false, DramPattern::kRandom, kRead, 64, 64, 2000, 1.285, 49.51},
    {"hbm3-6400", true, DramPattern::kSequential, kRead, 32, 16384, 60000, 45.796, 0},
    {"hbm3-6400", true, DramPattern::kSequential, kRead, 32, 256, 30000, 14.685, 0},
    {"hbm2-2000", true, DramPattern::kSequential, DramDirection::kWrite, 32, 16384, 60000, 29.243, 0},
    {"hbm2-2000", true, DramPattern::kMix, DramDirection::kTwoReadsOneWrite, 64, 16384, 60000, 22.307, 0},
    {"ddr5-4800", true, DramPattern::kRandom, kRead, 64, 64, 2000, 1.434, 44.22},
    {"ddr5-4800", true, DramPattern::kStreams, kRead, 4096, 16384, 40000, 17.528, 0},
    {"ddr4-3200", true, DramPattern::kRandom, kRead, 64, 64, 2000, 1.366, 46.22},
    {"ddr4-3200", true, DramPattern::kRandom, kRead, 64, 16384, 40000, 20.578, 0},
};

TEST(DramReference, FastRows) {
  for (const Row& row : kRows) {
    DramSpec spec = dram(row.device);
    if (!row.refresh) spec.controller.refresh = "none";
    const auto result = run_dram_traffic(spec, {.pattern = row.pattern,
                                                .direction = row.direction,
                                                .granule_bytes = row.granule_bytes,
                                                .bursts = row.bursts,
                                                .window_bytes = row.window_bytes});
    ASSERT_TRUE(result.ok());
    const double allowed = row.pattern == DramPattern::kSequential ? 0.05 : 0.10;
    EXPECT_NEAR(result->bandwidth_bytes_per_s / (row.gigabytes_per_s * 1e9), 1, allowed) << row.device;
    if (row.latency_ns > 0) {
      EXPECT_NEAR(result->latency_ns / row.latency_ns, 1, 0.05) << row.device;
    }
  }
}

// Where the source leaves nothing open, the runs agree to the tick.
TEST(DramReference, TicksOfOneRowAreExact) {
  const auto result = run_dram_traffic(
      dram("ddr5-4800"),
      {.pattern = DramPattern::kRandom, .granule_bytes = 1024, .bursts = 20'000, .window_bytes = 256});
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->ticks, 404131);
}

}  // namespace
}  // namespace rdusim::sim
