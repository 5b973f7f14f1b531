#include "cli/timeline.h"

#include <fmt/format.h>

#include <cmath>
#include <set>
#include <string>

namespace rdusim::cli {
namespace {

using report::TraceSpan;

constexpr const char* kSchedule = "schedule";

bool is_unit(const TraceSpan& span) {
  return span.track.starts_with("unit ");
}

// `begin`: of a section's run among the spans; its events follow it up to the next span of the schedule.
void join_run(std::vector<TraceSpan>& spans, size_t begin, uint64_t flow) {
  size_t end = begin + 1;
  while (end < spans.size() && spans[end].group != kSchedule) ++end;
  if (end == begin + 1) return;
  spans[begin].flows.push_back(flow);
  std::set<std::string> seen;  // channels that the arrow has touched
  size_t last = begin + 1;
  const auto ends = [&](size_t i) { return spans[i].begin_ps + spans[i].duration_ps; };
  for (size_t i = begin + 1; i < end; ++i) {
    if (ends(i) > ends(last)) last = i;
    if (!is_unit(spans[i]) && seen.insert(spans[i].group + spans[i].track).second)
      spans[i].flows.push_back(flow);
  }
  if (spans[last].flows.empty()) spans[last].flows.push_back(flow);
}

}  // namespace

report::Timeline chip_timeline(const std::vector<sim::TraceEvent>& events, double clock_hz, int64_t limit) {
  const double ps_per_cycle = 1e12 / clock_hz;
  const auto ps = [ps_per_cycle](int64_t cycles) {
    return std::llround(static_cast<double>(cycles) * ps_per_cycle);
  };
  report::Timeline timeline;
  timeline.spans.reserve(events.size());
  for (const auto& event : events) {
    const std::string separator = " / ";
    const size_t cut = event.track.find(separator);
    const bool grouped = cut != std::string::npos;
    timeline.spans.push_back({grouped ? event.track.substr(0, cut) : event.track,
                              grouped ? event.track.substr(cut + separator.size()) : event.track,
                              event.name,
                              ps(event.begin_cycles),
                              ps(event.begin_cycles + event.duration_cycles) - ps(event.begin_cycles),
                              {}});
  }
  uint64_t arrows = 0;
  for (size_t i = 0; i < timeline.spans.size() && arrows < kTracedArrows; ++i) {
    const TraceSpan& span = timeline.spans[i];
    if (span.group == kSchedule && span.name != "launch") join_run(timeline.spans, i, ++arrows);
  }
  // The simulator stops two short of its limit, where a launch and its run no longer fit.
  if (static_cast<int64_t>(events.size()) + 2 >= limit)
    timeline.sampling =
        fmt::format("the first {} events of the run; what came later is left out", events.size());
  return timeline;
}

}  // namespace rdusim::cli
