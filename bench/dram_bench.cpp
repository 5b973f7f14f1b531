// Speed of the DRAM model: 64-byte requests simulated a second, closed loop included.
#include <benchmark/benchmark.h>

#include "base/arch/dram_fields.h"
#include "sim/dram/traffic.h"

namespace rdusim::sim {
namespace {

void dram_requests(benchmark::State& state, const char* device, DramPattern pattern,
                   DramDirection direction) {
  ConfigContext context;
  context.config_dir = std::string(RDUSIM_SOURCE_DIR) + "/configs";
  const auto spec = load_dram(context, device);
  if (!spec.ok()) return state.SkipWithError(spec.error().to_string().c_str());
  const int64_t bursts = 500'000;
  for (auto _ : state) {
    const auto result =
        run_dram_traffic(*spec, {.pattern = pattern, .direction = direction, .bursts = bursts});
    if (!result.ok()) return state.SkipWithError(result.error().to_string().c_str());
    benchmark::DoNotOptimize(result->ticks);
  }
  const double requests = static_cast<double>(bursts * spec->organisation.burst_bytes) / 64;
  state.counters["requests"] =
      benchmark::Counter(requests * static_cast<double>(state.iterations()), benchmark::Counter::kIsRate);
}

BENCHMARK_CAPTURE(dram_requests, hbm3_stream, "hbm3-6400", DramPattern::kSequential, DramDirection::kRead)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(dram_requests, hbm2_stream, "hbm2-2000", DramPattern::kSequential, DramDirection::kRead)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(dram_requests, ddr5_stream, "ddr5-4800", DramPattern::kSequential, DramDirection::kRead)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(dram_requests, ddr4_stream, "ddr4-3200", DramPattern::kSequential, DramDirection::kRead)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(dram_requests, hbm3_random, "hbm3-6400", DramPattern::kRandom, DramDirection::kRead)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(dram_requests, ddr5_random, "ddr5-4800", DramPattern::kRandom, DramDirection::kRead)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(dram_requests, hbm3_mix, "hbm3-6400", DramPattern::kMix, DramDirection::kTwoReadsOneWrite)
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace rdusim::sim
