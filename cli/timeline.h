// The simulator's events as spans of the trace file.
#pragma once

#include <vector>

#include "report/trace_writer.h"
#include "sim/simulator.h"

namespace rdusim::cli {

// "socket 0 / unit layer.wo.gemm" becomes the track "unit layer.wo.gemm" of the group "socket 0".
std::vector<report::TraceSpan> chip_timeline(const std::vector<sim::TraceEvent>& events, double clock_hz);

}  // namespace rdusim::cli
