// A simulated program's result as JSON and as a terminal table.
#pragma once

#include "base/program/program.h"
#include "base/program/run_result.h"
#include "report/manifest.h"
#include "report/table.h"

namespace rdusim::report {

// Peaks that a section's rates are compared with; of one socket.
struct SocketPeaks {
  int64_t pcus = 0;
  int64_t pmus = 0;
  double hbm_bytes_per_s = 0;
};

// {wire: {cause: bytes}} without causes that moved nothing; every wire is there.
Json byte_counts_json(const ByteCounts& bytes);
// {program, phase, sockets, batch, context, fidelity, latency_s, tokens_per_second, flops_per_s, cycles,
// clock_hz,
//  bytes, unit_cycles, firings_simulated, firings_skipped, sections[]}: `bytes` and `unit_cycles` are of all
//  sockets, those of a section of one launch on one socket.
Json run_json(const Program& program, const RunResult& result, const SocketPeaks& peaks);
// One row a section: launches, time, share, what bounds it, HBM rate reached, PCUs and PMUs in use.
Table run_table(const RunResult& result, const SocketPeaks& peaks);

}  // namespace rdusim::report
