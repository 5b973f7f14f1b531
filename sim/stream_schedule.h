// StreamSchedule: when the streams that share a memory channel are served, as a fluid: at any time the
// released streams take what they can of the channel, by priority. A stream is released in two parts: what
// its channels can hold ahead, at once; the rest when its consumer starts to take tokens, no faster than
// slots come back.
#pragma once

#include <cstdint>
#include <vector>

#include "sim/dual.h"

namespace rdusim::sim {

// Number: double, or Dual.
template <typename Number>
struct BasicFluidStream {
  int64_t priority = 0;
  int64_t order = 0;        // ties
  Number first_cycles = 0;  // service of the first token
  Number ahead_cycles = 0;  // service of what may be fetched at `release`
  Number rest_cycles = 0;   // service of what follows, from `gate` on
  Number share = 1;         // most of the channel that the rest can take
  Number release = 0;       // may lie before 0, the begin of the run
  Number gate = 0;
  // results
  Number first_done = 0;
  Number last_done = 0;
  double early_cycles = 0;  // of its service, before 0
};

using FluidStream = BasicFluidStream<double>;

// Sets the results; O(n^2) in the number of streams. Returns the channel's busy cycles.
template <typename Number>
Number schedule_streams(std::vector<BasicFluidStream<Number>>& streams);

}  // namespace rdusim::sim
