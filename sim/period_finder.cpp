#include "sim/period_finder.h"

#include "sim/stamp_engine.h"

namespace rdusim::sim {

void PeriodFinder::remember(StampEngine& engine, int64_t decision_cycle) {
  state_.save();
  engine.walk(state_);
  remembered_cycle_ = decision_cycle;
  // assumed: a quarter; a period is found when it has passed once within such a stretch.
  next_remembered_ = looks_ + looks_ / 4 + 1;
}

int64_t PeriodFinder::skip(StampEngine& engine, int64_t decision_cycle) {
  ++looks_;
  if (remembered_cycle_ >= 0) {
    state_.match(decision_cycle - remembered_cycle_);
    engine.walk(state_);
    const int64_t periods = state_.periods();
    if (periods > 0) {
      const int64_t before = engine.firings();
      state_.advance(periods);
      engine.walk(state_);
      remembered_cycle_ = -1;
      next_remembered_ = looks_ + 1;
      return engine.firings() - before;
    }
  }
  if (looks_ >= next_remembered_) remember(engine, decision_cycle);
  return 0;
}

}  // namespace rdusim::sim
