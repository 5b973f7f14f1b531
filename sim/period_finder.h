// PeriodFinder: exact fast-forward. A section's token graph becomes periodic after its transient: the state
// comes back as it was, moved on in time. From then on every period is a copy of the last one, until some
// unit's firings end or its stream comes to a ragged token. So whole periods are added at once, and the rest
// is simulated.
//
//   transient | period | period | ......... skipped ......... | drain
//
// The state is looked at now and then, and compared with the one remembered last. That one is replaced as the
// run goes on, always later by a share of what has passed (Brent's idea), so it comes to lie behind the
// transient, and far enough back for long periods, at the price of a few copies a run.
//
// What never repeats: work that grows (causal attention), and a saturated memory channel whose bytes a cycle
// are no simple fraction, because its tokens then fall on other parts of a cycle each time. That is simulated
// in full.
#pragma once

#include "sim/state_walk.h"

namespace rdusim::sim {

class StampEngine;

class PeriodFinder {
 public:
  // Looks at the engine's state between two decisions; advances it by as many periods as are sure. Returns
  // the firings that need not be simulated.
  int64_t skip(StampEngine& engine, int64_t decision_cycle);

 private:
  void remember(StampEngine& engine, int64_t decision_cycle);
  StateWalk state_;
  int64_t looks_ = 0;
  int64_t next_remembered_ = 1;
  int64_t remembered_cycle_ = -1;
};

}  // namespace rdusim::sim
