// Series of an outside mesh simulator beside ours: latency at each injection rate, zero load, saturation.
#pragma once

#include <cmath>
#include <string>
#include <vector>

#include "base/result.h"
#include "cli/session.h"
#include "sim/noc/mesh_experiment.h"

namespace rdusim::cli {

inline constexpr double kZeroLoadTolerance = 0.03;
inline constexpr double kLatencyTolerance = 0.10;
inline constexpr double kSaturationTolerance = 0.05;
inline constexpr double kJudgedShare = 0.9;  // of saturation, below which latencies are judged

struct MeshPoint {
  double rate = 0;
  double latency = 0;
  double accepted = 0;
  bool stable = false;
  double ours = 0;
  double our_accepted = 0;
};

// One series of the reference: rates on one mesh under one traffic, and ours.
struct MeshSeries {
  std::string name;
  sim::noc::MeshSpec mesh;
  sim::noc::MeshLoad load;
  double zero_load = 0;
  double saturation = 0;
  std::vector<MeshPoint> points;
  sim::noc::Saturation ours;

  [[nodiscard]] double zero_load_error() const { return ours.zero_load_latency_cycles / zero_load - 1; }
  [[nodiscard]] double saturation_error() const { return ours.rate / saturation - 1; }
  [[nodiscard]] bool judged(const MeshPoint& p) const {
    return p.stable && p.rate < kJudgedShare * saturation;
  }
  // Of the judged points, the largest difference of latency, with its sign.
  [[nodiscard]] double latency_error() const {
    double worst = 0;
    for (const MeshPoint& p : points) {
      if (judged(p) && std::abs(p.ours / p.latency - 1) > std::abs(worst)) worst = p.ours / p.latency - 1;
    }
    return worst;
  }
  [[nodiscard]] bool passed() const {
    return std::abs(zero_load_error()) <= kZeroLoadTolerance &&
           std::abs(latency_error()) <= kLatencyTolerance &&
           std::abs(saturation_error()) <= kSaturationTolerance;
  }
};

// Every series of a file like configs/reference/mesh_latency.csv, simulated with the session's seed.
Result<std::vector<MeshSeries>> mesh_comparisons(Session& session, const std::string& path);

}  // namespace rdusim::cli
