// Who gets PCUs: all stages as fast as the slowest, or the sum of their times short; and which of these a
// section gets by how many blocks of rows pass through it.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <string>
#include <vector>

#include "base/program/service.h"
#include "compiler/compile.h"
#include "compiler/passes/allocate_pmus.h"
#include "compiler/passes/launch_course.h"
#include "compiler/passes/pcu_allocation.h"
#include "compiler/passes/section_work.h"
#include "compiler/passes/spreads.h"
#include "compiler/passes/stage_memo.h"
#include "tests/support/decoder_graph.h"
#include "tests/support/small_chip.h"

namespace rdusim::compiler {
namespace {

using testing::decoder_graph;
using testing::DecoderSpec;

// A decoder layer fused: a prompt of so many tokens, or a step of so many sequences.
Section fused_layer(int64_t tokens, int64_t batch) {
  DecoderSpec spec;
  spec.layers = 1;
  spec.width = 256;
  spec.heads = 8;
  spec.kv_heads = 8;
  spec.head_dim = 32;
  spec.mlp = 1024;
  spec.query = tokens;
  spec.past = tokens == 1 ? 16 : 0;
  spec.batch = batch;
  const auto program = compile(decoder_graph(spec), rdusim::testing::small_chip(), {});
  EXPECT_TRUE(program.ok()) << (program.ok() ? "" : program.error().to_string());
  if (!program.ok()) return {};
  return *std::max_element(
      program->sections.begin(), program->sections.end(),
      [](const Section& a, const Section& b) { return a.units.size() < b.units.size(); });
}

// Cycles that each compute stage works in a launch.
std::vector<int64_t> stage_times(const Section& section, const SectionWork& work, const ChipSpec& chip) {
  std::vector<int64_t> times;
  for (size_t u = 0; u < section.units.size(); ++u) {
    const Unit& unit = section.units[u];
    if (unit.kind != UnitKind::kGemm && unit.kind != UnitKind::kSimd) continue;
    int64_t cycles = 0;
    for (const FiringKind& kind : work.work(u))
      cycles += kind.count * compute_service(unit, chip.pcu, kind.needed, kind.registers);
    times.push_back(cycles);
  }
  return times;
}

TEST(CompilerSizing, EvenTimesMakeTheLongestShortAndRootsTheSum) {
  const ChipSpec chip = rdusim::testing::small_chip();
  Section section = fused_layer(64, 1);
  StageMemo memo;
  SectionWork work(section);
  ASSERT_TRUE(work.run().ok());
  const auto times = [&](double power) {
    EXPECT_TRUE(allocate_pcus(section, work, chip, power, memo).ok());
    return stage_times(section, work, chip);
  };
  const std::vector<int64_t> even = times(0);
  const std::vector<int64_t> roots = times(0.5);
  EXPECT_LT(*std::max_element(even.begin(), even.end()), *std::max_element(roots.begin(), roots.end()));
  EXPECT_LT(std::accumulate(roots.begin(), roots.end(), int64_t{0}),
            std::accumulate(even.begin(), even.end(), int64_t{0}));
}

TEST(CompilerSizing, NoMorePcusThanTheChipHas) {
  const ChipSpec chip = rdusim::testing::small_chip();
  Section section = fused_layer(64, 1);
  StageMemo memo;
  SectionWork work(section);
  ASSERT_TRUE(work.run().ok());
  for (const double power : {0.0, 0.25, 0.5, 0.75, 1.0}) {
    ASSERT_TRUE(allocate_pcus(section, work, chip, power, memo).ok());
    int64_t pcus = 0;
    for (const Unit& unit : section.units) {
      const bool computes = unit.kind == UnitKind::kGemm || unit.kind == UnitKind::kSimd;
      EXPECT_EQ(unit.pcus > 0, computes) << unit.name;
      pcus += unit.pcus;
    }
    EXPECT_LE(pcus, chip.pcu.count) << power;
  }
}

// Of a launch whose ways do not hold it up, over the same with even times and operands read all along.
double sized_over_even(const Section& section, Sizing sizing) {
  const ChipSpec chip = rdusim::testing::small_chip();
  StageMemo memo;
  SectionWork work(section);
  EXPECT_TRUE(work.run().ok());
  Section even = section;
  const auto slowest = allocate_pcus(even, work, chip, 0, memo);
  EXPECT_TRUE(slowest.ok() && allocate_pmus(even, work, chip, *slowest, {}).ok());
  const int64_t before = launch_cycles(even, launch_work(even, work, chip), chip);
  SpreadSearch search(section, work, chip, memo);
  EXPECT_TRUE(search.size(sizing, Effort::kPrice).ok());
  return static_cast<double>(search.cycles_without_ways()) / static_cast<double>(before);
}

// A section that has one block, or many, is sized for a steady state if the user does not ask for more; one
// that has a few never comes to one.
TEST(CompilerSizing, SteadyIsEvenUnlessFewBlocksPass) {
  EXPECT_EQ(sized_over_even(fused_layer(1, 32), Sizing::kSteady), 1);
  EXPECT_EQ(sized_over_even(fused_layer(1024, 1), Sizing::kSteady), 1);
  EXPECT_LT(sized_over_even(fused_layer(64, 1), Sizing::kSteady), 1);
}

TEST(CompilerSizing, TheCourseOfALaunchDecides) {
  EXPECT_LT(sized_over_even(fused_layer(1, 32), Sizing::kLaunch), 0.95);
  EXPECT_LE(sized_over_even(fused_layer(1024, 1), Sizing::kLaunch), 1);
}

}  // namespace
}  // namespace rdusim::compiler
