// The runs of `rdusim study switching`: at one point of the grid, each way of serving on the same requests,
// for several seeds, and the time that none of them can go below.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "cli/serving.h"
#include "runtime/composition.h"
#include "runtime/result.h"

namespace rdusim::cli {

struct StudyPoint {
  std::string node;
  int64_t experts = 0;
  std::string popularity;
  std::string eviction;
  int64_t batch = 0;
};

// A number that was taken once a seed.
struct Spread {
  double mean = 0;
  double least = 0;
  double most = 0;
};
Spread spread_of(std::span<const double> values);

// What a way of serving says at a point: means over the seeds.
struct StudyRun {
  StudyPoint point;
  std::string variant;  // the first of a point is the one that gains are measured against
  runtime::LatencySplit split;
  Spread gain;          // the first one's switching time over this one's, seed by seed; 0: none is left
  double bound_s = 0;   // of the point: no way of serving switches for less
  Spread bound_gain{};  // the first one's switching time over that
  std::vector<double> numbers{};  // as study_columns() names them
  bool saturated = false;         // with one of the seeds at least
};

// Names of StudyRun::numbers.
std::vector<std::string> study_columns();

struct StudyRequests {
  int64_t count = 20'000;
  double rate_per_s = 5;  // Poisson
  std::vector<uint64_t> seeds;
};

// The workloads of a point, one a seed. `composition` has the point's number of experts.
Result<std::vector<runtime::Workload>> study_workloads(const runtime::Composition& composition,
                                                       const StudyRequests& requests,
                                                       const std::string& popularity);

// Every way of serving on every workload.
Result<std::vector<StudyRun>> run_study_point(const runtime::Composition& composition,
                                              std::span<const runtime::Workload> workloads,
                                              const ServingNode& node, const StudyPoint& point);

}  // namespace rdusim::cli
