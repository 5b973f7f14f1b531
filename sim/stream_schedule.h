// StreamSchedule: when the streams that share a memory channel are served, as a fluid: at any time the
// released streams take what they can of the channel, by priority. A stream is released in two parts: what
// its channels can hold ahead, at once; the rest when its consumer starts to take tokens, no faster than
// slots come back.
#pragma once

#include <cstdint>
#include <vector>

namespace rdusim::sim {

struct FluidStream {
  int64_t priority = 0;
  int64_t order = 0;        // ties
  double first_cycles = 0;  // service of the first token
  double ahead_cycles = 0;  // service of what may be fetched at `release`
  double rest_cycles = 0;   // service of what follows, from `gate` on
  double share = 1;         // most of the channel that the rest can take
  double release = 0;
  double gate = 0;
  // results
  double first_done = 0;
  double last_done = 0;
};

// Sets the results; O(n^2) in the number of streams. Returns the channel's busy cycles.
double schedule_streams(std::vector<FluidStream>& streams);

}  // namespace rdusim::sim
