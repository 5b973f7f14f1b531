// Timeline: what RunOptions::trace asks for. Intervals are recorded relative to the section's begin,
// neighbours on a track are merged, and the section's events are replayed at each launch, because a drained
// fabric repeats itself exactly.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sim/simulator.h"

namespace rdusim::sim {

class Timeline {
 public:
  explicit Timeline(int64_t limit) : limit_(limit) {}

  int track(std::string name);  // the same number for the same name
  // [begin, end) relative to the section. Neighbouring intervals of one name become one.
  void busy(int track, std::string_view name, int64_t begin, int64_t end);
  // Appends the recorded events, moved to `offset`, until `out` holds `limit` events.
  void replay(int64_t offset, std::vector<TraceEvent>& out) const;

 private:
  struct Event {
    int track;
    std::string name;
    int64_t begin;
    int64_t end;
  };
  int64_t limit_;
  std::vector<std::string> tracks_;
  std::vector<size_t> last_;  // latest event of each track, as index + 1
  std::vector<Event> events_;
};

}  // namespace rdusim::sim
