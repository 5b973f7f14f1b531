// Service times that event and analytic use, against the cycle-level units, on the shapes of compiled models
// and on random ones.
#include <gtest/gtest.h>

#include <cmath>

#include "base/random.h"
#include "sim/unit_twins.h"
#include "tests/support/small_chip.h"

namespace rdusim::sim {
namespace {

TEST(UnitTwins, EveryRowOfTheSuiteIsWithinFivePercent) {
  for (const int64_t lanes : {16, 32}) {
    ChipSpec chip = rdusim::testing::small_chip();
    chip.pcu.lanes = lanes;
    chip.pcu.tail_elements_per_cycle = lanes / 2;
    const auto rows = unit_twins(chip);
    ASSERT_TRUE(rows.ok()) << rows.error().to_string();
    EXPECT_EQ(rows->size(), 2 * pcu_cases().size() + pmu_cases().size());
    for (const TwinRow& row : *rows) {
      EXPECT_LE(std::abs(row.difference_percent()), 5)
          << row.name << " x " << row.firings << ": " << row.service_cycles << " for " << row.cycle_cycles;
    }
  }
}

TEST(UnitTwins, ALoneFiringIsExact) {
  Random random(31);
  for (PcuCase c : pcu_cases()) {
    const int64_t fewest_pcus = c.unit.pcus;  // fewer would step millions of vectors
    for (int i = 0; i < 3; ++i) {
      c.unit.pcus = fewest_pcus + static_cast<int64_t>(random.below(40));
      ChipSpec chip = rdusim::testing::small_chip();
      chip.pcu.stages = 1 + static_cast<int64_t>(random.below(8));
      chip.pcu.lanes = 20 + static_cast<int64_t>(random.below(50));
      chip.pcu.tail_elements_per_cycle = 1 + static_cast<int64_t>(random.below(40));
      const auto row = compare_pcu(c, chip, 1);
      ASSERT_TRUE(row.ok());
      EXPECT_EQ(row->service_cycles, row->cycle_cycles)
          << c.name << " on " << c.unit.pcus << " PCUs of " << chip.pcu.stages << " x " << chip.pcu.lanes;
    }
  }
}

}  // namespace
}  // namespace rdusim::sim
