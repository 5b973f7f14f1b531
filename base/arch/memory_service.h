// Service table of a memory: what its DRAM channels achieve under the patterns that sections have.
//
// `rdusim characterize` runs the command-level model (sim/dram/) over a grid of patterns and writes the
// table; the event and analytic fidelities read it. A pattern is a number of concurrent streams that take
// turns, the bytes of one turn, and the share of the bytes that is written.
//
// Efficiency is the share of the peak that is left when nothing refreshes: bank conflicts, row misses and
// turnarounds. It is a ratio of clock ticks, so it holds for the same device at any clock: a chip file whose
// bandwidth is changed keeps its table (all timings scale with the clock), and its own refresh tax comes on
// top, with what refresh costs beyond its time (one factor a table). What the table depends on is hashed; a
// table of other inputs is refused, never used.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace rdusim {

struct MemoryPattern {
  double streams = 1;        // that take turns; both directions together
  double granule_bytes = 1;  // of one turn
  double write_share = 0;    // of the bytes
};

struct MemoryService {
  std::string name;
  std::string device;         // of configs/dram/
  std::string inputs_sha256;  // memory_service_hash() of that device and this grid
  // The grid, each axis rising.
  std::vector<int64_t> streams;
  std::vector<int64_t> granule_bytes;
  std::vector<double> write_shares;
  int64_t bursts_per_channel = 0;  // of one run
  std::vector<double> efficiency;  // [streams][granule_bytes][write_shares]
  // Of what tRFC / tREFI leaves: rows that a refresh closes must be opened again.
  double refresh_efficiency = 1;

  // Of the peak after refresh. Linear between grid points, in the logarithm of streams and granules; held at
  // the ends.
  [[nodiscard]] double efficiency_of(const MemoryPattern& pattern) const;
};

}  // namespace rdusim
