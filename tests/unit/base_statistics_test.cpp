// Quantiles by nearest rank against a slow twin, and units and random numbers that must repeat.
#include "base/statistics.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/check.h"
#include "base/random.h"
#include "base/units.h"

namespace rdusim {
namespace {

// The definition, in integers: the smallest sample x such that at least q of the samples are <= x; q =
// percent / 100.
double slow_quantile(std::vector<double> values, int64_t percent) {
  std::sort(values.begin(), values.end());
  for (size_t i = 0; i < values.size(); ++i) {
    if (static_cast<int64_t>(i + 1) * 100 >= percent * static_cast<int64_t>(values.size())) return values[i];
  }
  return values.back();
}

TEST(Statistics, QuantilesEqualTheDefinition) {
  Random random(7);
  for (size_t n = 1; n <= 250; ++n) {
    std::vector<double> values(n);
    for (double& value : values) value = static_cast<double>(random.below(50));
    const Samples samples(values);
    for (int64_t percent = 0; percent <= 100; ++percent) {
      ASSERT_EQ(samples.quantile(static_cast<double>(percent) / 100), slow_quantile(values, percent))
          << n << " samples, " << percent << " %";
    }
  }
}

TEST(Statistics, MeanMinMax) {
  const Samples samples({3, 1, 2});
  EXPECT_EQ(samples.mean(), 2);
  EXPECT_EQ(samples.min(), 1);
  EXPECT_EQ(samples.max(), 3);
  EXPECT_EQ(samples.count(), 3);
  EXPECT_EQ(mean_in_order({}), 0);
}

TEST(Statistics, NoSamplesIsABug) {
  EXPECT_THROW((void)Samples({}).quantile(0.5), CheckFailure);
}

TEST(Units, TransferTimeRoundsToThePicosecond) {
  EXPECT_EQ(transfer_time(Bytes(1000), BytesPerSecond{1e12}), Picoseconds(1000));
  EXPECT_EQ(picoseconds_from_seconds(-1.4e-12), Picoseconds(-1));
  EXPECT_EQ((Bytes(3) + Bytes(4)) * 2, Bytes(14));
  EXPECT_LT(Cycles(1), Cycles(2));
}

TEST(RandomNumbers, RepeatOnAnyMachine) {
  Random random(1);
  EXPECT_EQ(random.next(), 0x910A2DEC89025CC1ULL);  // SplitMix64, seed 1: first published output
  Random bounded(3);
  for (int i = 0; i < 1000; ++i) EXPECT_LT(bounded.below(7), 7U);
  for (int i = 0; i < 1000; ++i) {
    const double u = bounded.uniform();
    EXPECT_TRUE(u >= 0 && u < 1);
  }
}

}  // namespace
}  // namespace rdusim
