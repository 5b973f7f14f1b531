// A timeline in the Trace Event format (JSON), which Perfetto and chrome://tracing open: one process a group
// ("socket 0", "requests"), one thread a track, complete events with begin and duration.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace rdusim::report {

struct TraceSpan {
  std::string group;  // shown as a process
  std::string track;  // shown as a thread of it
  std::string name;
  int64_t begin_ps = 0;
  int64_t duration_ps = 0;
  std::vector<std::pair<std::string, std::string>> details;  // shown when the span is clicked
};

// Groups and tracks are numbered in the order of their first span; spans keep their order, so equal input
// gives equal bytes. Times are written in microseconds with six decimals: picoseconds are kept.
std::string trace_text(const std::vector<TraceSpan>& spans);

}  // namespace rdusim::report
