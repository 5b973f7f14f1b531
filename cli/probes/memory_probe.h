// rdusim probe memory, in parts: what the command line asks for, one run of it, and the comparison with the
// reference table.
#pragma once

#include <cmath>
#include <optional>
#include <string>
#include <vector>

#include "base/arch/dram.h"
#include "base/result.h"
#include "cli/session.h"
#include "report/manifest.h"
#include "sim/dram/traffic.h"

namespace rdusim::cli {

// As typed; what is absent comes from the pattern's name, then from the device.
struct MemoryProbeOptions {
  std::string memory = "hbm3-6400";
  std::string pattern = "sequential";
  std::string direction;
  std::optional<int64_t> granule_bytes;
  std::optional<int64_t> window_bytes;  // a channel
  std::optional<int64_t> streams;
  std::optional<int64_t> channels;
  std::optional<int64_t> read_queue;
  std::optional<int64_t> write_queue;
  int64_t requests = 60'000;  // bursts
  int64_t source_queue = 256;
  uint64_t pattern_seed = 12'345;
  std::string mapping;
  std::string refresh;
  std::string scheduler;
  std::string row_policy;
};

struct MemoryProbeSetup {
  DramSpec spec;
  sim::DramTraffic traffic;
};

// Patterns by kind (sequential, random, streams, mix) or by a name of the reference table, which says more:
// random_64B, random_write_64B, 16_streams_4KiB_rr, mix_2R1W_seq_64B_interleave, sequential_read_win2048,
// random_64B_idle_1_outstanding. Policies by our name or by that of the reference simulators.
Result<MemoryProbeSetup> memory_probe_setup(Session& session, const MemoryProbeOptions& options);

// Allowed error of an idle device's latency.
inline constexpr double kIdleLatencyTolerancePercent = 5;

// A row of the reference table beside ours.
struct DramComparison {
  std::string simulator;  // name and version
  std::string device;
  std::string pattern;
  std::string refresh;
  std::string skipped;  // why there is nothing to compare; empty: compared
  double theirs_bytes_per_s = 0;
  double ours_bytes_per_s = 0;
  double theirs_latency_ns = 0;  // 0: none
  double ours_latency_ns = 0;
  double allowed_percent = 0;
  bool judge_latency = false;

  [[nodiscard]] double error_percent() const { return (ours_bytes_per_s / theirs_bytes_per_s - 1) * 100; }
  [[nodiscard]] double latency_error_percent() const {
    return theirs_latency_ns > 0 ? (ours_latency_ns / theirs_latency_ns - 1) * 100 : 0;
  }
  [[nodiscard]] bool passed() const {
    return std::abs(error_percent()) <= allowed_percent &&
           (!judge_latency || std::abs(latency_error_percent()) <= kIdleLatencyTolerancePercent);
  }
};

// Every row of a table with the columns of configs/published/dram_streams.csv.
Result<std::vector<DramComparison>> dram_comparisons(Session& session, const std::string& path);

// Ours beside every row of a table with the columns of configs/published/dram_streams.csv; the exit code.
Result<int> compare_with_dram_reference(Session& session, const std::string& path);

report::Json memory_probe_json(const MemoryProbeSetup& setup, const sim::DramResult& result);

}  // namespace rdusim::cli
