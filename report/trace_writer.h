// A timeline in the Trace Event format (JSON), which Perfetto and chrome://tracing open: one process a group
// ("socket 0", "requests"), one thread a track, begin and end events. Spans that belong to
// one cause (a request, a launch) are joined by arrows (flow events), in order of their begin.
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
  std::vector<uint64_t> flows{};  // arrows that pass through it; a number means the same arrow in all spans
};

// A timeline, and the rule by which spans were left out (empty: none were); the file carries the rule.
struct Timeline {
  std::vector<TraceSpan> spans;
  std::string sampling{};
};

// Groups and tracks are numbered in the order of their first span; spans keep their order, so equal input
// gives equal bytes. A span is a begin and an end event, its arrows between the two, so that each lies in its
// span whatever a viewer's resolution. Spans of a track are given in the order of their begin; those that
// overlap go to further tracks ("hbm 2"). Times are in microseconds with six decimals: picoseconds are kept.
std::string trace_text(Timeline timeline);

}  // namespace rdusim::report
