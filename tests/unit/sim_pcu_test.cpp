// The PCU's twin by hand: folds, passes, reductions, tail, back-pressure; and the values of tail and lanes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/program/service.h"
#include "base/random.h"
#include "sim/pcu/lanes.h"
#include "sim/pcu/pcu_model.h"
#include "sim/pcu/systolic.h"
#include "sim/pcu/tail.h"
#include "tests/support/program_builder.h"
#include "tests/support/small_chip.h"

namespace rdusim::sim {
namespace {

using namespace rdusim::testing;  // NOLINT: builder words

SystolicArray array_6x32() {
  SystolicArray array;
  array.rows = 6;
  array.columns = 32;
  return array;
}

TEST(Systolic, OneFoldIsOperandsPlusSkew) {
  const GemmCycles g = systolic_gemm(array_6x32(), {6, 100, 32});
  EXPECT_EQ(g.folds, 1);
  EXPECT_EQ(g.fill_cycles, 5 + 31);
  EXPECT_EQ(g.cycles, 100 + 36);
  EXPECT_EQ(g.ideal_cycles, 100);
  EXPECT_DOUBLE_EQ(g.mapping_efficiency, 1);
}

TEST(Systolic, TwoFoldsOverlappedFollowEachOther) {
  SystolicArray array = array_6x32();
  EXPECT_EQ(systolic_gemm(array, {12, 100, 32}).cycles, 2 * 136);
  array.overlap = FoldOverlap::kFillDrain;
  EXPECT_EQ(systolic_gemm(array, {12, 100, 32}).cycles, 100 + 136);
  EXPECT_EQ(systolic_gemm(array, {12, 3, 32}).cycles, 6 + 3 + 36);  // six rows must leave before the next six
}

TEST(Systolic, TheChipsArrayHasNoColumnSkewAndDrainsThroughItsTail) {
  SystolicArray array = array_6x32();
  array.operands = OperandPath::kBroadcast;
  array.drain = DrainPath::kTail;
  const GemmCycles g = systolic_gemm(array, {6, 100, 32});
  EXPECT_EQ(g.fill_cycles, 5);
  EXPECT_EQ(g.drain_cycles, 5);
  EXPECT_EQ(g.cycles, 110);
}

TEST(Systolic, RaggedFoldsTakeAsLongAsFullOnes) {
  EXPECT_EQ(systolic_gemm(array_6x32(), {7, 100, 33}).cycles, 4 * 136);
  EXPECT_NEAR(systolic_gemm(array_6x32(), {7, 100, 33}).mapping_efficiency, 7.0 * 33 / (4 * 6 * 32), 1e-12);
}

TEST(Systolic, SpareArraysSplitK) {
  SystolicArray array = array_6x32();
  array.arrays = 8;
  const GemmCycles g = systolic_gemm(array, {12, 100, 32});
  EXPECT_EQ(g.k_split, 4);
  EXPECT_EQ(g.cycles, 25 + 36);
}

TEST(Lanes, TwoLanesMakeOneOf32Bits) {
  EXPECT_EQ(lanes_of(NumberFormat::kBf16, 32), 32);
  EXPECT_EQ(lanes_of(NumberFormat::kFp32, 32), 16);
  EXPECT_EQ(lanes_of(NumberFormat::kInt32, 32), 16);
  EXPECT_EQ(lanes_of(NumberFormat::kInt8, 32), 32);
  EXPECT_EQ(lanes_of(NumberFormat::kFp32, 1), 1);
}

TEST(Lanes, TreeDepthIsTheLogarithmOfTheLanes) {
  EXPECT_EQ(reduction_levels(1), 0);
  EXPECT_EQ(reduction_levels(2), 1);
  EXPECT_EQ(reduction_levels(32), 5);
  EXPECT_EQ(reduction_levels(33), 6);
}

TEST(Lanes, ReductionAddsLanesThenNeighbours) {
  // 1e8 + 1 loses the 1 in FP32: only the hardware's order keeps the two ones apart from it.
  const std::vector<float> row = {1e8F, 1, 1, 0, -1e8F};
  EXPECT_EQ(reduce_row(row, 4, ReduceOp::kSum), 2);  // lane 0: 1e8 - 1e8; then (0 + 1) + (1 + 0)
  EXPECT_EQ(reduce_row(row, 5, ReduceOp::kSum), 0);  // ((1e8 + 1) + (1 + 0)) - 1e8
  EXPECT_EQ(reduce_row(row, 4, ReduceOp::kMax), 1e8F);
  EXPECT_EQ(reduce_row({}, 4, ReduceOp::kSum), 0);
}

TEST(Lanes, ScanIsThePrefixSum) {
  std::vector<float> row(70);
  for (size_t i = 0; i < row.size(); ++i) row[i] = static_cast<float>(i + 1);
  for (const int64_t lanes : {1, 4, 32, 128}) {
    const auto scanned = scan_row(row, lanes);
    for (size_t i = 0; i < row.size(); ++i) {
      ASSERT_EQ(scanned[i], static_cast<float>((i + 1) * (i + 2) / 2)) << lanes;
    }
  }
}

// ---------------------------------------------------------------------------------------------- passes

// PCU of the small chip: 32 lanes, 6 stages, tail 32 a cycle, 8 cycles from header to tail.
struct Planned {
  FiringPlan plan;
  Planned(std::vector<TileOp> body, std::vector<Extent> inputs, int64_t pcus = 1,
          PcuSpec pcu = testing::small_chip().pcu) {
    Unit unit;
    unit.pcus = pcus;
    unit.inputs.resize(inputs.size());
    unit.body = std::move(body);
    const std::vector<bool> needed(inputs.size() + unit.body.size(), true);
    EXPECT_TRUE(firing_extents(unit, needed, 0, inputs).ok());
    plan_firing(unit, pcu, needed, inputs, plan);
  }
  [[nodiscard]] std::vector<int64_t> steps() const {
    std::vector<int64_t> s;
    for (const Pass& pass : plan.passes) s.push_back(pass.steps);
    return s;
  }
};
using ::testing::ElementsAre;

TEST(Passes, MapsPackRaggedRowsWithoutGaps) {
  EXPECT_THAT(Planned({op(TileOpKind::kNeg, {0})}, {{8, 40, 0, 0}}).steps(), ElementsAre(10));
}

TEST(Passes, RowsShorterThanTheLanesLeaveThemEmpty) {
  // A vector holds one row: 8 rows of 40 take two each. With a lane a row it would be 40.
  EXPECT_THAT(Planned({op(TileOpKind::kRowSum, {0})}, {{8, 40, 0, 0}}).steps(), ElementsAre(16));
  // 64 rows of 3: a lane a row takes two vectors of lanes, three steps each.
  const Planned turned({op(TileOpKind::kRowSum, {0})}, {{64, 3, 0, 0}});
  EXPECT_THAT(turned.steps(), ElementsAre(6));
  EXPECT_EQ(turned.plan.passes[0].block_steps, 3);
  EXPECT_EQ(turned.plan.lone_cycles(), 6 + 8);  // lane by lane: no tree
  // A factor for each row has to stay with its row.
  EXPECT_THAT(Planned({op(TileOpKind::kMul, {0, 1})}, {{8, 40, 0, 0}, {8, 1, 0, 0}}).steps(),
              ElementsAre(16));
  EXPECT_THAT(Planned({op(TileOpKind::kMul, {0, 1})}, {{8, 64, 0, 0}, {1, 64, 0, 0}}).steps(),
              ElementsAre(16));
}

TEST(Passes, ReductionTreeAddsItsLevelsOnce) {
  const Planned sum({op(TileOpKind::kRowSum, {0})}, {{4, 64, 0, 0}});
  EXPECT_EQ(sum.plan.service_cycles(), 8);
  EXPECT_EQ(sum.plan.lone_cycles(), 8 + 8 + 5);
}

TEST(Passes, AReductionEndsThePass) {
  // x * x and its sum, scaled, rooted; then x times it: the row must have passed before.
  const Planned norm({op(TileOpKind::kMul, {0, 0}), op(TileOpKind::kRowSum, {1}), op(TileOpKind::kRsqrt, {2}),
                      op(TileOpKind::kMul, {0, 3})},
                     {{1, 128, 0, 0}});
  EXPECT_THAT(norm.steps(), ElementsAre(4, 4));
  EXPECT_EQ(norm.plan.service_cycles(), 8);
  EXPECT_EQ(norm.plan.lone_cycles(), 4 + 8 + 5 + 4 + 8);
}

TEST(Passes, WhatFollowsTheTailOrTheAlignmentUnitIsANewPass) {
  EXPECT_THAT(Planned({op(TileOpKind::kExp, {0}), op(TileOpKind::kNeg, {1})}, {{1, 64, 0, 0}}).steps(),
              ElementsAre(2, 2));
  EXPECT_THAT(Planned({op(TileOpKind::kNeg, {0}), op(TileOpKind::kExp, {1})}, {{1, 64, 0, 0}}).steps(),
              ElementsAre(2));
  EXPECT_THAT(Planned({op(TileOpKind::kNeg, {0}), op(TileOpKind::kTranspose, {1}), op(TileOpKind::kNeg, {2})},
                      {{2, 64, 0, 0}})
                  .steps(),
              ElementsAre(4, 4));
  // Indices are counters of the header.
  EXPECT_TRUE(Planned({op(TileOpKind::kColIndex, {0})}, {{1, 64, 0, 0}}).steps().empty());
}

TEST(Passes, ASlowTailHoldsTheHeader) {
  PcuSpec pcu = testing::small_chip().pcu;
  pcu.tail_elements_per_cycle = 8;
  EXPECT_EQ(Planned({op(TileOpKind::kExp, {0})}, {{1, 64, 0, 0}}, 1, pcu).plan.service_cycles(), 2 * 4);
  // One scalar a row of four vectors: hidden. One a vector: not.
  const std::vector<TileOp> norm = {op(TileOpKind::kRowSum, {0}), op(TileOpKind::kRsqrt, {1})};
  EXPECT_EQ(Planned(norm, {{2, 128, 0, 0}}, 1, pcu).plan.service_cycles(), 8);
  EXPECT_EQ(Planned(norm, {{2, 32, 0, 0}}, 1, pcu).plan.service_cycles(), 8);
}

TEST(Passes, PcusShareVectorsAndJoinRows) {
  const Planned shared({op(TileOpKind::kRowSum, {0})}, {{4, 64, 0, 0}}, 4);
  EXPECT_THAT(shared.steps(), ElementsAre(2));
  EXPECT_EQ(shared.plan.lone_cycles(), 2 + 8 + 5);
  const Planned split({op(TileOpKind::kRowSum, {0})}, {{1, 128, 0, 0}}, 4);  // a vector of the row each
  EXPECT_THAT(split.steps(), ElementsAre(1));
  EXPECT_EQ(split.plan.lone_cycles(), 1 + 8 + 5 + 8);
}

TEST(Passes, GemvReadsAWeightVectorACycle) {
  const PcuSpec pcu = testing::small_chip().pcu;
  const auto pass = [&](int64_t m, int64_t n, int64_t k, int64_t pcus) {
    return matmul_pass(pcu, matmul(0, 1, true), {m * n * k, m, n, k}, pcus);
  };
  EXPECT_EQ(pass(1, 256, 128, 8).occupancy_cycles(), 128);     // 32 columns a PCU
  EXPECT_EQ(pass(1, 8, 4096, 1).occupancy_cycles(), 8 * 128);  // K in the lanes: the array would take 4096
  EXPECT_FALSE(pass(1, 8, 4096, 1).systolic);
}

// ---------------------------------------------------------------------------------------------- the model

std::vector<PcuModel::Step> run_all(PcuModel& model) {
  std::vector<PcuModel::Step> steps;
  while (model.next_cycle()) steps.push_back(model.step());
  return steps;
}

FiringPlan one_pass(int64_t steps, int64_t block_steps, int64_t results, int64_t latency) {
  FiringPlan plan;
  plan.passes.push_back({true, steps, block_steps, results, results, latency, -1});
  return plan;
}

TEST(PcuModel, TwoTilesOverlapFillAndDrain) {
  const FiringPlan plan = one_pass(20, 10, 6, 13);
  PcuModel model;
  model.start(plan);
  model.operands_arrive(5, 20);
  const auto steps = run_all(model);
  ASSERT_EQ(steps.size(), 20U);
  EXPECT_EQ(steps.front().cycle, 5);
  EXPECT_EQ(steps.back().cycle, 24);  // no gap between the tiles
  EXPECT_EQ(steps[9].results, 6);
  EXPECT_EQ(steps[9].results_cycle, 14 + 1 + 13);
  EXPECT_EQ(steps[19].results_cycle, 24 + 1 + 13);
  EXPECT_TRUE(steps[19].firing_done);
  EXPECT_TRUE(model.idle());
}

TEST(PcuModel, WaitsForOperandsAndSaysSo) {
  const FiringPlan plan = one_pass(3, 1, 1, 8);
  PcuModel model;
  model.start(plan);
  EXPECT_FALSE(model.next_cycle());
  model.operands_arrive(2);
  model.operands_arrive(3);
  EXPECT_EQ(model.next_cycle(), 2);
  model.step();
  model.step();
  EXPECT_FALSE(model.next_cycle());
  model.operands_arrive(10);
  EXPECT_EQ(model.step().cycle, 10);
  EXPECT_EQ(model.counters().operand_cycles, 2 + 6);
  EXPECT_EQ(model.counters().steps, 3);
}

TEST(PcuModel, AFullOutputHoldsTheHeader) {
  const FiringPlan plan = one_pass(4, 1, 1, 8);
  PcuModel model({2, PcuModel::kUnbounded});
  model.start(plan);
  model.operands_arrive(0, 4);
  EXPECT_EQ(model.step().results_cycle, 9);
  EXPECT_EQ(model.step().results_cycle, 10);
  EXPECT_FALSE(model.next_cycle());  // two results under way, no slot promised
  model.space_freed(30);
  EXPECT_EQ(model.next_cycle(), 30 - 8 - 1);  // so that it leaves when the slot is free
  EXPECT_EQ(model.step().results_cycle, 30);
  model.space_freed(31);
  EXPECT_EQ(model.step().results_cycle, 31);
  EXPECT_EQ(model.counters().space_cycles, 19);
}

TEST(PcuModel, TheNextFiringFillsTheWaitForAReduction) {
  FiringPlan plan;
  plan.passes.push_back({false, 10, 10, 1, 1, 13, -1});
  plan.passes.push_back({false, 10, 1, 1, 1, 8, 0});
  PcuModel alone;
  alone.start(plan);
  alone.operands_arrive(0, 10);
  EXPECT_EQ(run_all(alone).back().results_cycle, plan.lone_cycles());
  EXPECT_EQ(plan.lone_cycles(), 10 + 13 + 10 + 8);
  PcuModel both;
  both.start(plan);
  both.start(plan);
  both.operands_arrive(0, 20);
  const auto steps = run_all(both);
  EXPECT_EQ(steps[10].cycle, 10);  // the second's first pass
  EXPECT_EQ(steps[10].pass, 0);
  EXPECT_EQ(steps[20].cycle, 23);  // the first's second pass
  EXPECT_EQ(steps[20].pass, 1);
  PcuModel::Sizes one_at_a_time;
  one_at_a_time.firings_in_flight = 1;
  PcuModel serial(one_at_a_time);
  serial.start(plan);
  serial.start(plan);
  serial.operands_arrive(0, 20);
  EXPECT_EQ(run_all(serial).back().cycle, 2 * 33 - 1);
}

// ---------------------------------------------------------------------------------------------- tail

TEST(Tail, StochasticRoundingIsUnbiasedAndRepeats) {
  const float low = 1.0F;
  const float step = 0.0078125F;  // between neighbouring BF16 at 1
  for (const float share : {0.1F, 0.5F, 0.9F}) {
    const std::vector<float> in(20000, low + share * step);
    std::vector<double> out(in.size());
    std::vector<double> again(in.size());
    convert_vector(in, NumberFormat::kBf16, Rounding::kStochastic, 3, 0, out);
    convert_vector(in, NumberFormat::kBf16, Rounding::kStochastic, 3, 0, again);
    EXPECT_EQ(out, again);
    int64_t up = 0;
    for (const double v : out) {
      ASSERT_TRUE(v == 1.0 || v == 1.0078125) << v;
      up += v > 1.0 ? 1 : 0;
    }
    // 4.5 standard deviations of a binomial: 1 in 150 000 would fall outside, and the seed is fixed.
    const double n = static_cast<double>(in.size());
    EXPECT_NEAR(static_cast<double>(up) / n, static_cast<double>(share),
                4.5 * std::sqrt(static_cast<double>(share * (1 - share)) / n));
    convert_vector(in, NumberFormat::kBf16, Rounding::kStochastic, 4, 0, again);
    EXPECT_NE(out, again);
  }
}

TEST(Tail, AnElementsRandomNumberDoesNotDependOnItsVector) {
  const std::vector<float> in(64, 1.003F);
  std::vector<double> whole(64);
  std::vector<double> half(32);
  convert_vector(in, NumberFormat::kBf16, Rounding::kStochastic, 9, 0, whole);
  convert_vector(std::span(in).subspan(32), NumberFormat::kBf16, Rounding::kStochastic, 9, 32, half);
  EXPECT_TRUE(std::equal(half.begin(), half.end(), whole.begin() + 32));
}

TEST(Tail, ExactValuesAndSpecialsStay) {
  const float inf = std::numeric_limits<float>::infinity();
  for (uint64_t r = 0; r < 100; ++r) {
    const uint64_t random = tail_random(1, r);
    EXPECT_EQ(round_to_bf16_stochastic(1.5F, random), 1.5F);
    EXPECT_EQ(round_to_bf16_stochastic(-inf, random), -inf);
    EXPECT_TRUE(std::isnan(round_to_bf16_stochastic(std::nanf(""), random)));
    EXPECT_EQ(round_to_integer_stochastic(-3, random, -128, 127), -3);
  }
}

TEST(Tail, IntegersSaturateAndRoundTiesToEven) {
  const std::vector<float> in = {0.5F, 1.5F, -0.5F, -1.5F, 200, -200, 2.4F};
  std::vector<double> out(in.size());
  convert_vector(in, NumberFormat::kInt8, Rounding::kNearest, 0, 0, out);
  EXPECT_THAT(out, ElementsAre(0, 2, 0, -2, 127, -128, 2));
  convert_vector(std::vector<float>{3e9F, -3e9F}, NumberFormat::kInt32, Rounding::kNearest, 0, 0,
                 std::span(out).first(2));
  EXPECT_EQ(out[0], 2147483647.0);
  EXPECT_EQ(out[1], -2147483648.0);
}

}  // namespace
}  // namespace rdusim::sim
