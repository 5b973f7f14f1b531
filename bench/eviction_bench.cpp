// Replay speed of every eviction policy: one million Zipf 0.9 accesses over 850 experts, 100 of which fit.
#include <benchmark/benchmark.h>

#include "base/check.h"
#include "runtime/eviction/replay.h"
#include "runtime/workload/popularity.h"

namespace rdusim::runtime {
namespace {

const AccessTrace& trace() {
  static const AccessTrace made = [] {
    AccessTrace t;
    t.name = "zipf:0.9 over 850";
    t.bytes.assign(850, Bytes(13'500'000'000));
    ExpertDraw draw({PopularityLaw::Kind::kZipf, 0.9}, 850, 1);
    for (int i = 0; i < 1'000'000; ++i) t.accesses.push_back(draw.next());
    return t;
  }();
  return made;
}

void BM_Replay(benchmark::State& state, const std::string& policy) {
  int64_t misses = 0;
  for (auto _ : state) {
    const auto result = replay(trace(), policy, Bytes(int64_t{100} * 13'500'000'000));
    RDU_CHECK(result.ok(), "{}", result.error().to_string());
    misses = result->misses;
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(trace().accesses.size()));
  state.counters["miss_ratio"] = static_cast<double>(misses) / static_cast<double>(trace().accesses.size());
}

const bool kRegistered = [] {
  for (const EvictionChoice& choice : eviction_policies()) {
    benchmark::RegisterBenchmark(("BM_Replay/" + choice.name).c_str(), BM_Replay, choice.name)
        ->Unit(benchmark::kMillisecond);
  }
  return true;
}();

}  // namespace
}  // namespace rdusim::runtime
