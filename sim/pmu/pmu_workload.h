// A matrix over one or several PMUs under one access pattern: how many cycles, and what it waited for.
//
// Several PMUs: each holds an equal range of rows. A pattern that the counters make (row, column, strided)
// runs in every PMU on its own range at once; PMUs do not disturb each other, so the one with most rows is
// simulated. The row numbers of a gather are broadcast, and address predication lets each PMU take those of
// its range: the broadcast goes at the rate of one PMU's address pipelines, and waits while the PMU that owns
// the next row has its address FIFO full. Several buffers: while one is read, the next is written row by row
// through the write port (n-buffering: buffer b lies at b / n of the capacity).
#pragma once

#include <cstdint>

#include "base/result.h"
#include "sim/pcu/lane_rate.h"
#include "sim/pmu/access_walk.h"

namespace rdusim::sim {

struct PmuWorkload {
  Walk walk = Walk::kRow;
  Striping striping = Striping::kLinear;
  int64_t rows = 1;
  int64_t cols = 1;
  NumberFormat format = NumberFormat::kBf16;
  int64_t stride = 1;  // elements
  int64_t pmus = 1;
  int64_t buffers = 1;        // 1: only reads
  int64_t gathered_rows = 0;  // of a gather; 0: as many as the matrix has
  uint64_t seed = 1;          // of a gather's row numbers, uniform
};

struct PmuResult {
  int64_t cycles = 0;  // first address to last vector served
  int64_t read_bytes = 0;
  int64_t written_bytes = 0;
  int64_t busiest_pmu_accesses = 0;
  double fraction_of_peak = 0;  // read_bytes / (cycles x read ports)
  PmuModel::Counters counters;  // of the simulated PMU; gather: of all
};

// assumed: addresses that wait at a PMU that is behind a broadcast, as deep as a PCU's input FIFO (16
// vectors).
inline constexpr int64_t kAddressFifo = 16;

// Fails when the matrix does not fit, and on a gather from several buffers.
Result<PmuResult> run_pmu_workload(const PmuGeometry& geometry, const PmuWorkload& workload);

}  // namespace rdusim::sim
