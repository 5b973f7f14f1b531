// The PMU of pmu_model.h for what section runs do to it: whole lines of consecutive addresses, several at a
// time. Each line keeps its bank for a cycle and one of the two ports; tests hold it equal to PmuModel.
// Banks are contiguous ranges (no bank bits given), so slots of a channel lie in banks of their own where
// they fit. Lines beyond the end start again at its begin.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "base/arch/chip.h"

namespace rdusim::sim::cycle {

class PmuPorts {
 public:
  static constexpr int64_t kAccessLatencyCycles = 4;  // PmuGeometry::access_latency_cycles

  explicit PmuPorts(const PmuSpec& spec)
      : banks_(static_cast<size_t>(spec.banks), 0),
        lines_(spec.capacity_bytes / spec.port_bytes_per_cycle),
        lines_per_bank_(std::max<int64_t>(1, lines_ / spec.banks)) {}

  struct Grant {
    int64_t first_cycle = 0;  // the first line has its port
    int64_t last_cycle = 0;   // the last one
  };
  Grant access(bool write, int64_t cycle, int64_t line, int64_t lines) {
    int64_t& port = port_free_[write ? 1 : 0];
    Grant grant{std::max(cycle, port), 0};
    int64_t at = grant.first_cycle;
    for (int64_t i = 0; i < lines; ++i) {
      int64_t& bank = banks_[static_cast<size_t>((line + i) % lines_ / lines_per_bank_) % banks_.size()];
      const int64_t served = std::max(at, bank);
      conflict_cycles_ += served - at;
      bank = served + 1;
      if (i == 0) grant.first_cycle = served;
      grant.last_cycle = served;
      at = served + 1;
    }
    port = at;
    return grant;
  }
  [[nodiscard]] int64_t conflict_cycles() const { return conflict_cycles_; }
  [[nodiscard]] int64_t lines() const { return lines_; }
  [[nodiscard]] int64_t lines_per_bank() const { return lines_per_bank_; }

 private:
  std::vector<int64_t> banks_;
  int64_t lines_;
  int64_t lines_per_bank_;
  int64_t port_free_[2] = {0, 0};
  int64_t conflict_cycles_ = 0;
};

}  // namespace rdusim::sim::cycle
