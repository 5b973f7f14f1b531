// The simulator's events as the timeline of the trace file.
#pragma once

#include <vector>

#include "report/trace_writer.h"
#include "sim/simulator.h"

namespace rdusim::cli {

// "socket 0 / unit layer.wo.gemm" becomes the track "unit layer.wo.gemm" of the group "socket 0". An arrow
// leads from each of the first kTracedArrows section runs of the schedule to the first event of each memory
// channel and link in it, then to the event that ends last: what a section waits for, and what it ends with.
// `limit`: events that the simulator kept at most; if it did reach that, the timeline says so.
inline constexpr size_t kTracedArrows = 2000;
report::Timeline chip_timeline(const std::vector<sim::TraceEvent>& events, double clock_hz, int64_t limit);

}  // namespace rdusim::cli
