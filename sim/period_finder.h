// PeriodFinder: exact fast-forward. A section's token graph becomes periodic after its transient: the state
// comes back as it was, moved on in time. From then on every period is a copy of the last one, until some
// unit's firings end or its stream comes to a ragged token. So whole periods are added at once, and the rest
// is simulated.
//
//   transient | period | period | ......... skipped ......... | drain
//
// Comparing states costs as much as many firings. So first the times between looks have to repeat, which
// costs next to nothing to see; only then is a state remembered, and compared with the one a period later.
// Seeing times repeat proves nothing (a channel may still be filling): equal states do.
//
// What never repeats: work that grows (causal attention), and a saturated memory channel whose bytes a cycle
// are no simple fraction, because its tokens then fall on other parts of a cycle each time. That is simulated
// in full.
#pragma once

#include <array>
#include <cstddef>

#include "sim/state_walk.h"

namespace rdusim::sim {

template <typename Stamp>
class StampEngine;

class PeriodFinder {
 public:
  // Looks at the engine's state between two decisions; advances it by as many periods as are sure. Returns
  // the firings that need not be simulated.
  int64_t look(StampEngine<int64_t>& engine, int64_t decision_cycle);

 private:
  // assumed: longer periods, in looks, are rare, and each would make every look dearer.
  static constexpr size_t kLongest = 16;

  size_t repeating_period(int64_t decision_cycle);
  int64_t skip(StampEngine<int64_t>& engine, int64_t decision_cycle);

  StateWalk state_;
  std::array<int64_t, kLongest> intervals_{};  // between looks, a ring
  std::array<int64_t, kLongest + 1>
      repeats_{};  // [p]: looks in a row whose interval was that of p looks before
  int64_t looks_ = 0;
  int64_t last_cycle_ = 0;
  int64_t remembered_look_ = -1;
  int64_t remembered_cycle_ = 0;
  size_t period_ = 0;  // looks from the remembered state to the one it is compared with
  int64_t next_try_ = 0;
};

}  // namespace rdusim::sim
