// Closed forms of the PCU against slow twins over many sizes, and what must hold for all of them.
#include <gtest/gtest.h>

#include <algorithm>

#include "base/io/file.h"
#include "base/program/service.h"
#include "base/random.h"
#include "sim/pcu/pcu_model.h"
#include "sim/pcu/systolic.h"
#include "tests/support/pcu_ticks.h"
#include "tests/support/program_builder.h"
#include "tests/support/small_chip.h"
#include "tests/support/systolic_grid.h"

namespace rdusim::sim {
namespace {

using namespace rdusim::testing;  // NOLINT: builder words

constexpr Dataflow kDataflows[] = {Dataflow::kOutputStationary, Dataflow::kWeightStationary,
                                   Dataflow::kInputStationary};

TEST(SystolicProperty, ClosedFormIsWhatAGridOfCellsTakes) {
  Random random(5);
  const auto size = [&](int64_t most) {
    return 1 + static_cast<int64_t>(random.below(static_cast<uint64_t>(most)));
  };
  for (int i = 0; i < 60; ++i) {
    SystolicArray array;
    array.rows = size(7);
    array.columns = size(9);
    array.operands = random.below(2) == 0 ? OperandPath::kSkewed : OperandPath::kBroadcast;
    array.drain = random.below(2) == 0 ? DrainPath::kWavefront : DrainPath::kTail;
    const GemmShape shape{size(20), size(20), size(20)};
    for (const Dataflow dataflow : kDataflows) {
      array.dataflow = dataflow;
      SystolicGrid grid(array, shape);
      const GridRun run = grid.run();
      EXPECT_EQ(run.c, grid.expected()) << dataflow_name(dataflow);
      EXPECT_EQ(run.cycles, systolic_gemm(array, shape).cycles)
          << dataflow_name(dataflow) << " " << array.rows << "x" << array.columns << " of " << shape.m << " "
          << shape.k << " " << shape.n;
    }
  }
}

TEST(SystolicProperty, MonotoneBoundedAndNeverSlowerWithMoreLanes) {
  for (const Dataflow dataflow : kDataflows) {
    for (const FoldOverlap overlap : {FoldOverlap::kNone, FoldOverlap::kFillDrain}) {
      SystolicArray array{6, 32, dataflow, overlap};
      array.operands = OperandPath::kBroadcast;
      int64_t before = 0;
      for (int64_t k = 1; k < 300; k += 7) {
        const GemmCycles g = systolic_gemm(array, {33, k, 70});
        EXPECT_GE(g.cycles, before);
        EXPECT_GE(g.cycles, g.ideal_cycles);
        EXPECT_LE(g.utilization, 1);
        EXPECT_LE(g.mapping_efficiency, 1);
        before = g.cycles;
        SystolicArray wider = array;
        wider.columns *= 2;
        EXPECT_LE(systolic_gemm(wider, {33, k, 70}).cycles, g.cycles);
        SystolicArray more = array;
        more.arrays = 2;
        EXPECT_LE(systolic_gemm(more, {33, k, 70}).cycles, g.cycles);
      }
    }
  }
}

TEST(SystolicProperty, OverlapNeverLoses) {
  Random random(11);
  for (int i = 0; i < 500; ++i) {
    SystolicArray array;
    array.rows = 1 + static_cast<int64_t>(random.below(64));
    array.columns = 1 + static_cast<int64_t>(random.below(64));
    array.dataflow = kDataflows[random.below(3)];
    const GemmShape shape{1 + static_cast<int64_t>(random.below(300)),
                          1 + static_cast<int64_t>(random.below(300)),
                          1 + static_cast<int64_t>(random.below(300))};
    const int64_t serial = systolic_gemm(array, shape).cycles;
    array.overlap = FoldOverlap::kFillDrain;
    EXPECT_LE(systolic_gemm(array, shape).cycles, serial);
  }
}

// Published rows of an outside simulator: theirs is the number of the last cycle, counted from 0.
TEST(SystolicGolden, EveryReferenceRow) {
  const std::string path = std::string(RDUSIM_SOURCE_DIR) + "/configs/published/systolic_gemm.csv";
  const auto text = read_text_file(path);
  ASSERT_TRUE(text.ok());
  const auto table = parse_csv(*text, path);
  ASSERT_TRUE(table.ok());
  int64_t compared = 0;
  for (const CsvRow& row : table->rows) {
    const auto cell = [&](const char* name) { return row.cells[*table->column(name)]; };
    if (cell("bandwidth_mode") != "CALC") continue;
    SystolicArray array;
    array.rows = std::stoll(cell("array_rows"));
    array.columns = std::stoll(cell("array_cols"));
    array.dataflow = cell("dataflow") == "os" ? Dataflow::kOutputStationary : Dataflow::kWeightStationary;
    const GemmShape shape{std::stoll(cell("M")), std::stoll(cell("K")), std::stoll(cell("N"))};
    EXPECT_EQ(systolic_gemm(array, shape).cycles - 1, std::stoll(cell("compute_cycles")));
    ++compared;
  }
  EXPECT_EQ(compared, 17);
}

// ---------------------------------------------------------------------------------------------- passes

FiringPlan random_plan(Random& random) {
  FiringPlan plan;
  const uint64_t passes = 1 + random.below(4);
  for (uint64_t p = 0; p < passes; ++p) {
    Pass pass;
    pass.steps = 1 + static_cast<int64_t>(random.below(40));
    pass.block_steps = 1 + static_cast<int64_t>(random.below(static_cast<uint64_t>(pass.steps)));
    if (pass.steps % pass.block_steps == 0) pass.block_results = 1 + static_cast<int64_t>(random.below(6));
    pass.min_block_cycles = pass.block_results;
    pass.latency_cycles = 6 + static_cast<int64_t>(random.below(20));
    pass.after = random.below(3) == 0 ? -1 : static_cast<int32_t>(p) - 1;
    plan.passes.push_back(pass);
  }
  return plan;
}

TEST(PcuProperty, LoneFiringAndSteadyIntervalAreTheClosedForms) {
  Random random(21);
  for (int i = 0; i < 300; ++i) {
    const FiringPlan plan = random_plan(random);
    EXPECT_EQ(tick(plan, 1).last_result, plan.lone_cycles());
    PcuModel model;
    model.start(plan);
    model.operands_arrive(0, plan.passes[0].steps);
    int64_t last = 0;
    while (model.next_cycle()) {
      const PcuModel::Step step = model.step();
      if (step.results > 0) last = std::max(last, step.results_cycle);
    }
    EXPECT_EQ(last, plan.lone_cycles());
  }
}

TEST(PcuProperty, VectorByVectorIsCycleByCycle) {
  Random random(22);
  for (int i = 0; i < 100; ++i) {
    const FiringPlan plan = random_plan(random);
    const int64_t firings = 12;
    const TickedRun ticked = tick(plan, firings);
    PcuModel model;
    for (int64_t f = 0; f < firings; ++f) model.start(plan);
    model.operands_arrive(0, firings * plan.passes[0].steps);
    int64_t last = 0;
    while (model.next_cycle()) {
      const PcuModel::Step step = model.step();
      if (step.results > 0) last = std::max(last, step.results_cycle);
    }
    EXPECT_EQ(model.counters().firings, firings);
    // Results leave in order, one a cycle, so the model's last is never before the ticked one.
    EXPECT_GE(last, ticked.last_result);
    EXPECT_LE(last, ticked.last_result + 6);
    // The header never idles while a firing could begin: N services, and the last one's waiting.
    const int64_t service = plan.service_cycles();
    EXPECT_GE(last, firings * service);
    EXPECT_LE(ticked.last_result, firings * service + (plan.lone_cycles() - service) + service);
  }
}

TEST(PcuProperty, LateOperandsAndFullOutputsOnlyDelay) {
  Random random(23);
  for (int i = 0; i < 100; ++i) {
    const FiringPlan plan = random_plan(random);
    PcuModel model({8, 2});
    int64_t arrival = 0;
    for (int f = 0; f < 5; ++f) model.start(plan);
    for (int64_t s = 0; s < 5 * plan.passes[0].steps; ++s) {
      arrival += static_cast<int64_t>(random.below(3));
      model.operands_arrive(arrival);
    }
    int64_t before = -1;
    int64_t results = 0;
    int64_t leave = -1;
    while (model.next_cycle()) {
      const int64_t announced = *model.next_cycle();
      const PcuModel::Step step = model.step();
      EXPECT_EQ(step.cycle, announced);
      EXPECT_GT(step.cycle, before);
      before = step.cycle;
      if (step.results == 0) continue;
      EXPECT_GE(step.results_cycle, leave + step.results);
      leave = step.results_cycle;
      results += step.results;
      for (int64_t r = 0; r < step.results; ++r)
        model.space_freed(leave + static_cast<int64_t>(random.below(9)));
    }
    EXPECT_TRUE(model.idle());
    const Pass& last = plan.passes.back();
    EXPECT_EQ(results, 5 * last.block_results * ((last.steps + last.block_steps - 1) / last.block_steps));
    const PcuModel::Counters& c = model.counters();
    EXPECT_LE(c.busy_cycles + c.operand_cycles + c.own_result_cycles + c.space_cycles, before + 1 + 6);
  }
}

TEST(PcuProperty, ServiceGrowsWithExtentsAndShrinksWithLanesAndPcus) {
  const std::vector<TileOp> softmax = {op(TileOpKind::kMulScalar, {0}), op(TileOpKind::kRowMax, {1}),
                                       op(TileOpKind::kSub, {1, 2}),    op(TileOpKind::kExp, {3}),
                                       op(TileOpKind::kRowSum, {4}),    op(TileOpKind::kReciprocal, {5}),
                                       op(TileOpKind::kMul, {4, 6})};
  const auto service = [&](int64_t rows, int64_t cols, int64_t pcus, PcuSpec pcu) {
    Unit unit;
    unit.pcus = pcus;
    unit.inputs.resize(1);
    unit.body = softmax;
    const std::vector<bool> needed(8, true);
    std::vector<Extent> registers = {{rows, cols, 0, 0}};
    EXPECT_TRUE(firing_extents(unit, needed, 0, registers).ok());
    return compute_service(unit, pcu, needed, registers);
  };
  const PcuSpec pcu = small_chip().pcu;
  PcuSpec wide = pcu;
  wide.lanes *= 2;
  wide.tail_elements_per_cycle *= 2;
  for (const int64_t rows : {1, 4, 31, 128}) {
    int64_t before = 0;
    for (const int64_t cols : {1, 5, 31, 32, 33, 100, 2049}) {
      const int64_t cycles = service(rows, cols, 3, pcu);
      EXPECT_GE(cycles, before);
      EXPECT_LE(service(rows, cols, 3, wide), cycles);
      EXPECT_LE(service(rows, cols, 4, pcu), cycles);
      // Four passes (of one column, the maximum is the element), never faster than all lanes full.
      EXPECT_GE(cycles, (cols > 1 ? 4 : 3) * ((rows * cols + 95) / 96));
      before = cycles;
    }
  }
}

}  // namespace
}  // namespace rdusim::sim
