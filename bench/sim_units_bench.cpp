// Speed of the cycle-level units: closed-form firings, vectors stepped, PMU accesses, one large product.
#include <benchmark/benchmark.h>

#include "base/check.h"
#include "base/program/service.h"
#include "sim/pcu/pcu_model.h"
#include "sim/pcu/systolic.h"
#include "sim/pmu/pmu_workload.h"
#include "sim/unit_twins.h"
#include "tests/support/small_chip.h"

namespace rdusim::sim {
namespace {

benchmark::Counter rate(int64_t count) {
  return {static_cast<double>(count), benchmark::Counter::kIsRate};
}

struct Firing {
  Unit unit;
  std::vector<bool> needed;
  std::vector<Extent> registers;
};

// A case of the suite, its first operand `fewer` rows shorter.
Firing firing_of(int64_t case_number, int64_t fewer = 0) {
  const PcuCase c = pcu_cases()[static_cast<size_t>(case_number)];
  Firing f{c.unit, std::vector<bool>(c.inputs.size() + c.unit.body.size(), true), c.inputs};
  f.registers[0].rows -= fewer;
  RDU_CHECK(firing_extents(f.unit, f.needed, 0, f.registers).ok(), "case {}", c.name);
  return f;
}

// What a firing takes, from its extents: plan and closed form, nothing remembered from the firing before.
void pcu_closed_form_firings(benchmark::State& state) {
  const PcuSpec pcu = rdusim::testing::small_chip().pcu;
  const Firing full = firing_of(state.range(0));
  const Firing ragged = firing_of(state.range(0), 1);
  int64_t firings = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(compute_cycles(full.unit, pcu, full.needed, full.registers));
    benchmark::DoNotOptimize(compute_cycles(ragged.unit, pcu, ragged.needed, ragged.registers));
    firings += 2;
  }
  state.counters["firings"] = rate(firings);
  state.SetLabel(pcu_cases()[static_cast<size_t>(state.range(0))].name);
}
BENCHMARK(pcu_closed_form_firings)->Arg(0)->Arg(10)->Arg(13);

// The same once its plan is known.
void pcu_planned_firings(benchmark::State& state) {
  const PcuSpec pcu = rdusim::testing::small_chip().pcu;
  const Firing f = firing_of(10);
  FiringPlan plan;
  plan_firing(f.unit, pcu, f.needed, f.registers, plan);
  int64_t firings = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(plan.service_cycles());
    benchmark::DoNotOptimize(plan.lone_cycles());
    ++firings;
  }
  state.counters["firings"] = rate(firings);
}
BENCHMARK(pcu_planned_firings);

void pcu_vectors_stepped(benchmark::State& state) {
  const PcuSpec pcu = rdusim::testing::small_chip().pcu;
  const Firing f = firing_of(state.range(0));
  FiringPlan plan;
  plan_firing(f.unit, pcu, f.needed, f.registers, plan);
  int64_t vectors = 0;
  for (auto _ : state) {
    PcuModel model;
    for (int i = 0; i < 16; ++i) model.start(plan);
    model.operands_arrive(0, 16 * plan.passes.front().steps);
    while (!model.idle()) benchmark::DoNotOptimize(model.step());
    vectors += model.counters().steps;
  }
  state.counters["vectors"] = rate(vectors);
  state.SetLabel(pcu_cases()[static_cast<size_t>(state.range(0))].name);
}
BENCHMARK(pcu_vectors_stepped)->Arg(0)->Arg(10)->Unit(benchmark::kMicrosecond);

void pmu_accesses(benchmark::State& state) {
  const auto geometry = pmu_geometry(rdusim::testing::small_chip().pmu, {});
  if (!geometry.ok()) return state.SkipWithError("geometry");
  PmuWorkload w;
  w.walk = state.range(0) == 0 ? Walk::kRow : Walk::kColumn;
  w.striping = state.range(0) == 0 ? Striping::kLinear : Striping::kDiagonal;
  w.rows = 128;
  w.cols = 512;
  w.buffers = 2;
  int64_t accesses = 0;
  for (auto _ : state) {
    const auto result = run_pmu_workload(*geometry, w);
    if (!result.ok()) return state.SkipWithError("workload");
    accesses += result->counters.accesses[0] + result->counters.accesses[1];
  }
  state.counters["accesses"] = rate(accesses);
}
BENCHMARK(pmu_accesses)->Arg(0)->Arg(1)->Unit(benchmark::kMicrosecond);

// One product that a trace-driven simulator spends minutes on (configs/published/systolic_gemm.csv, last
// row).
void systolic_1x4096x4096_on_128x128(benchmark::State& state) {
  SystolicArray array;
  array.rows = array.columns = 128;
  GemmShape shape{1, 4096, 4096};
  for (auto _ : state) {
    benchmark::DoNotOptimize(shape);
    benchmark::DoNotOptimize(systolic_gemm(array, shape));
  }
}
BENCHMARK(systolic_1x4096x4096_on_128x128);

}  // namespace
}  // namespace rdusim::sim
