// Speed of the event fidelity: unit firings a second of a timing run through SystemC and through the stamp
// engine; and of a launch of a section in closed form.
#include <benchmark/benchmark.h>

#include "sim/simulator.h"
#include "sim/stamp_engine.h"
#include "tests/support/program_builder.h"
#include "tests/support/small_chip.h"

namespace rdusim::sim {
namespace {

using namespace rdusim::testing;  // NOLINT: builder words

// load -> `stages` simd units -> store, one token after another.
Program chain(int64_t tokens, int stages) {
  ProgramBuilder b;
  const ArgumentId x = b.symbol("x", tokens, 256);
  const ArgumentId y = b.symbol("y", tokens, 256);
  ChannelId at = b.channel("c0", 1, 256, 4, 8);
  b.load("load", x, 1, {at});
  for (int i = 0; i < stages; ++i) {
    const ChannelId next = b.channel("c" + std::to_string(i + 1), 1, 256, 4, 8, DType::kFp32, 0);
    b.compute("u" + std::to_string(i), UnitKind::kSimd, tokens, {in(at)},
              {op(TileOpKind::kMulScalar, {0}, 0, 0, 2), op(TileOpKind::kAdd, {0, 1})}, {out({next}, 2)});
    at = next;
  }
  b.store("store", y, 1, at);
  return b.finish();
}

void event_firings(benchmark::State& state) {
  const Program program = chain(20'000, static_cast<int>(state.range(0)));
  const NodeSpec node = small_node(1);
  int64_t firings = 0;
  for (auto _ : state) {
    RunOptions options;
    options.fast_forward = false;
    auto result = run(program, node, node.stacks[0], options);
    if (!result.ok()) return state.SkipWithError(result.error().to_string().c_str());
    firings += result->firings_simulated;
  }
  state.counters["firings"] = benchmark::Counter(static_cast<double>(firings), benchmark::Counter::kIsRate);
}
BENCHMARK(event_firings)->Arg(1)->Arg(8)->Arg(32)->Unit(benchmark::kMillisecond);

// The stamp engine one firing after another (`skip` 0), or with periods skipped (1).
void stamp_firings(benchmark::State& state) {
  const Program program = chain(20'000, static_cast<int>(state.range(0)));
  const NodeSpec node = small_node(1);
  const SectionContext context{program, program.sections[0], program.launches[0], node};
  int64_t firings = 0;
  for (auto _ : state) {
    auto outcome = StampEngine<int64_t>(context, state.range(1) == 1).run();
    if (!outcome) return state.SkipWithError("stopped");
    firings += outcome->firings_simulated + outcome->firings_skipped;
  }
  state.counters["firings"] = benchmark::Counter(static_cast<double>(firings), benchmark::Counter::kIsRate);
}
BENCHMARK(stamp_firings)->ArgsProduct({{1, 8, 32}, {0, 1}})->Unit(benchmark::kMillisecond);

void analytic_section_launch(benchmark::State& state) {
  const Program program = chain(1000, 40);
  const NodeSpec node = small_node(1);
  for (auto _ : state) {
    auto result = run(program, node, node.stacks[0], {Fidelity::kAnalytic, nullptr, nullptr, 0});
    if (!result.ok()) return state.SkipWithError(result.error().to_string().c_str());
    benchmark::DoNotOptimize(result->cycles);
  }
}
BENCHMARK(analytic_section_launch)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace rdusim::sim
