#include "cli/timeline.h"

#include <cmath>
#include <string>

namespace rdusim::cli {

std::vector<report::TraceSpan> chip_timeline(const std::vector<sim::TraceEvent>& events, double clock_hz) {
  const double ps_per_cycle = 1e12 / clock_hz;
  const auto ps = [ps_per_cycle](int64_t cycles) {
    return std::llround(static_cast<double>(cycles) * ps_per_cycle);
  };
  std::vector<report::TraceSpan> spans;
  spans.reserve(events.size());
  for (const auto& event : events) {
    const std::string separator = " / ";
    const size_t cut = event.track.find(separator);
    const bool grouped = cut != std::string::npos;
    spans.push_back({grouped ? event.track.substr(0, cut) : event.track,
                     grouped ? event.track.substr(cut + separator.size()) : event.track,
                     event.name,
                     ps(event.begin_cycles),
                     ps(event.begin_cycles + event.duration_cycles) - ps(event.begin_cycles),
                     {}});
  }
  return spans;
}

}  // namespace rdusim::cli
