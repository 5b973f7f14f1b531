// Latency and throughput of a mesh under synthetic traffic: Bernoulli sources of unlimited queues, warm-up,
// samples until the mean latency is steady, then a drain of what was measured. The rules of measuring are
// BookSim 2's, so that figures of both can be compared; so is the search for saturation.
#pragma once

#include <cstdint>
#include <vector>

#include "base/result.h"
#include "sim/noc/mesh_spec.h"
#include "sim/noc/traffic.h"

namespace rdusim::sim::noc {

struct MeshLoad {
  Traffic traffic = Traffic::k_uniform;
  int64_t packet_flits = 1;
  double injection_rate = 0.1;  // flits a node and cycle
  uint64_t seed = 1;
};

struct MeasureRules {
  int64_t sample_cycles = 1000;
  int64_t warmup_samples = 3;
  int64_t steady_samples = 3;  // in a row whose latency and throughput changed by less than the tolerance
  int64_t max_samples = 10;    // warm-up included; the result then stands as it is
  double tolerance = 0.05;
  // Both 0: samples as above. Otherwise this warm-up, then this many cycles of measuring, steady or not.
  int64_t fixed_warmup_cycles = 0;
  int64_t fixed_measure_cycles = 0;
  double latency_limit_cycles = 500;  // a mean above it, packets under way included, ends the run as unstable
};

struct MeshMeasurement {
  bool stable = false;                     // ended by the rules, not by the latency limit
  double mean_latency_cycles = 0;          // creation to last flit, queue at the source included
  double mean_network_latency_cycles = 0;  // without that queue
  int64_t min_latency_cycles = 0;
  int64_t p50_latency_cycles = 0;
  int64_t p99_latency_cycles = 0;
  int64_t max_latency_cycles = 0;
  double accepted_flits_per_node_cycle = 0;
  double offered_flits_per_node_cycle = 0;  // entered the network while measuring
  double mean_hops = 0;                     // routers visited
  int64_t packets = 0;                      // measured
  int64_t cycles = 0;
  int64_t flit_hops = 0;            // of the whole run
  std::vector<int64_t> link_flits;  // of the whole run, by node and port (5 a node)
};

// Invalid meshes, loads and patterns are errors.
Result<MeshMeasurement> measure(const MeshSpec& mesh, const MeshLoad& load, const MeasureRules& rules);

struct Saturation {
  double zero_load_latency_cycles = 0;  // measured at kZeroLoadRate
  double rate = 0;     // middle of the last bracket, flits a node and cycle; 1 when none saturates
  double bracket = 0;  // its width
  int64_t runs = 0;
};
inline constexpr double kZeroLoadRate = 0.005;
inline constexpr double kSaturationFactor = 3;  // times the zero-load latency

// Rates in steps of 0.05 until the latency passes kSaturationFactor times zero load or a run is unstable,
// then halving until the bracket is at most `width` wide. load.injection_rate is not used.
Result<Saturation> find_saturation(const MeshSpec& mesh, MeshLoad load, const MeasureRules& rules,
                                   double width);

}  // namespace rdusim::sim::noc
