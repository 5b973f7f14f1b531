// Service times that event and analytic use, against the cycle-level units, on the shapes of compiled models
// and on random ones.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>

#include "base/random.h"
#include "sim/pmu/characterize.h"
#include "sim/unit_twins.h"
#include "tests/support/small_chip.h"

namespace rdusim::sim {
namespace {

TEST(UnitTwins, EveryRowOfTheSuiteIsWithinFivePercent) {
  for (const int64_t lanes : {16, 32}) {
    ChipSpec chip = rdusim::testing::small_chip();
    chip.pcu.lanes = lanes;
    chip.pcu.tail_elements_per_cycle = lanes / 2;
    PmuService gathers = pmu_service_grid("small", chip.pmu);
    ASSERT_TRUE(characterize_pmu(chip.pmu, gathers).ok());
    chip.pmu.service = std::make_shared<const PmuService>(gathers);
    const auto rows = unit_twins(chip);
    ASSERT_TRUE(rows.ok()) << rows.error().to_string();
    EXPECT_EQ(rows->size(), 2 * pcu_cases().size() + pmu_cases().size());
    for (const TwinRow& row : *rows) {
      EXPECT_LE(std::abs(row.difference_percent()), 5)
          << row.name << " x " << row.firings << ": " << row.service_cycles << " for " << row.cycle_cycles;
    }
  }
}

// Streams and transposes have closed forms, not tables: equal to the access-by-access PMU for every shape.
TEST(UnitTwins, StreamsAndTransposesOfEveryShapeAreExact) {
  ChipSpec chip = rdusim::testing::small_chip();
  Random random(17);
  int64_t cases = 0;
  for (const PmuAccess access : {PmuAccess::kStream, PmuAccess::kColumns}) {
    for (const int64_t element_bytes : {2, 4}) {
      for (int i = 0; i < 150; ++i) {
        PmuCase c;
        c.access = access;
        c.element_bytes = element_bytes;
        // As many small sizes as large ones.
        c.rows = 1 + static_cast<int64_t>(random.below(uint64_t{1} << (1 + random.below(7))));
        c.cols = 1 + static_cast<int64_t>(random.below(uint64_t{1} << (1 + random.below(8))));
        c.pmus = 1 + static_cast<int64_t>(random.below(4));
        if (access == PmuAccess::kStream && c.rows % c.pmus != 0) c.pmus = 1;  // the twin has ranges of rows
        chip.pmu.port_bytes_per_cycle = int64_t{32} << random.below(3);
        const auto row = compare_pmu(c, chip);
        ASSERT_TRUE(row.ok()) << row.error().to_string();
        EXPECT_EQ(row->service_cycles, row->cycle_cycles)
            << (access == PmuAccess::kStream ? "stream " : "transpose ") << c.rows << " x " << c.cols
            << " of " << c.element_bytes << " B on " << c.pmus << " PMUs, ports of "
            << chip.pmu.port_bytes_per_cycle;
        ++cases;
      }
    }
  }
  EXPECT_EQ(cases, 600);
}

// Products, vector chains, reductions over random shapes, PCUs and sizes of a PCU: rate and latency of one
// firing are equal to stepping it.
TEST(UnitTwins, AStreamOfFiringsKeepsTheClosedForm) {
  Random random(23);
  double worst = 0;
  for (PcuCase c : pcu_cases()) {
    for (int i = 0; i < 3; ++i) {
      ChipSpec chip = rdusim::testing::small_chip();
      chip.pcu.stages = 4 + static_cast<int64_t>(random.below(5));
      chip.pcu.lanes = 16 + static_cast<int64_t>(random.below(33));
      chip.pcu.tail_elements_per_cycle = 4 + static_cast<int64_t>(random.below(29));
      const auto row = compare_pcu(c, chip, 16);
      ASSERT_TRUE(row.ok());
      worst = std::max(worst, std::abs(row->difference_percent()));
      EXPECT_LE(std::abs(row->difference_percent()), 5) << c.name;
    }
  }
  std::printf("16 firings: closed form at most %.3f %% off\n", worst);
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
