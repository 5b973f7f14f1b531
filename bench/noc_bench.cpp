// Speed of the mesh: flit-hops (flits over a channel or to a node) a second of CPU time, in one thread.
#include <benchmark/benchmark.h>

#include "sim/noc/mesh_experiment.h"

namespace rdusim::sim::noc {
namespace {

void flit_hops(benchmark::State& state, const MeshSpec& mesh, MeshLoad load) {
  load.injection_rate = static_cast<double>(state.range(0)) / 1000;
  int64_t hops = 0;
  for (auto _ : state) {
    auto m = measure(mesh, load, {});
    if (!m.ok()) return state.SkipWithError(m.error().to_string().c_str());
    hops += m->flit_hops;
  }
  state.counters["flit_hops"] = benchmark::Counter(static_cast<double>(hops), benchmark::Counter::kIsRate);
}

void mesh_8x8(benchmark::State& state) {
  flit_hops(state, {}, {});
}
void mesh_8x8_packets_of_4(benchmark::State& state) {
  MeshLoad load;
  load.packet_flits = 4;
  flit_hops(state, {}, load);
}
void mesh_16x16(benchmark::State& state) {
  MeshSpec mesh;
  mesh.columns = mesh.rows = 16;
  flit_hops(state, mesh, {});
}
BENCHMARK(mesh_8x8)->Arg(5)->Arg(50)->Arg(300)->Unit(benchmark::kMillisecond);
BENCHMARK(mesh_8x8_packets_of_4)->Arg(300)->Unit(benchmark::kMillisecond);
BENCHMARK(mesh_16x16)->Arg(50)->Arg(150)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace rdusim::sim::noc
