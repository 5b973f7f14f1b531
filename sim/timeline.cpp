#include "sim/timeline.h"

#include <algorithm>

namespace rdusim::sim {

int Timeline::track(std::string name) {
  const auto known = std::find(tracks_.begin(), tracks_.end(), name);
  if (known != tracks_.end()) return static_cast<int>(known - tracks_.begin());
  tracks_.push_back(std::move(name));
  last_.push_back(0);
  return static_cast<int>(tracks_.size()) - 1;
}

void Timeline::busy(int track, std::string_view name, int64_t begin, int64_t end) {
  size_t& last = last_[static_cast<size_t>(track)];
  if (last != 0 && events_[last - 1].end == begin && events_[last - 1].name == name) {
    events_[last - 1].end = end;
    return;
  }
  if (static_cast<int64_t>(events_.size()) >= limit_) return;
  events_.push_back({track, std::string(name), begin, end});
  last = events_.size();
}

void Timeline::replay(int64_t offset, std::vector<TraceEvent>& out) const {
  for (const Event& e : events_) {
    if (static_cast<int64_t>(out.size()) >= limit_) return;
    out.push_back({tracks_[static_cast<size_t>(e.track)], e.name, offset + e.begin, e.end - e.begin});
  }
}

}  // namespace rdusim::sim
