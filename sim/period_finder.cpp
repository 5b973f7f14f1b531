#include "sim/period_finder.h"

#include "sim/stamp_engine.h"

namespace rdusim::sim {

// The shortest period, in looks, that the times between looks have shown twice; 0: none.
size_t PeriodFinder::repeating_period(int64_t decision_cycle) {
  const int64_t interval = decision_cycle - last_cycle_;
  last_cycle_ = decision_cycle;
  size_t found = 0;
  const auto now = static_cast<size_t>(looks_);
  for (size_t p = kLongest; p > 0; --p) {
    const bool same = now >= p && intervals_[(now - p) % kLongest] == interval;
    repeats_[p] = same ? repeats_[p] + 1 : 0;
    if (repeats_[p] >= static_cast<int64_t>(p)) found = p;
  }
  intervals_[now % kLongest] = interval;
  ++looks_;
  return found;
}

int64_t PeriodFinder::look(StampEngine<int64_t>& engine, int64_t decision_cycle) {
  const size_t period = repeating_period(decision_cycle);
  if (remembered_look_ >= 0 && looks_ - remembered_look_ == static_cast<int64_t>(period_)) {
    return skip(engine, decision_cycle);
  }
  if (period == 0 || remembered_look_ >= 0 || looks_ < next_try_) return 0;
  state_.save();
  engine.walk(state_);
  remembered_look_ = looks_;
  remembered_cycle_ = decision_cycle;
  period_ = period;
  return 0;
}

int64_t PeriodFinder::skip(StampEngine<int64_t>& engine, int64_t decision_cycle) {
  remembered_look_ = -1;
  state_.match(decision_cycle - remembered_cycle_);
  engine.walk(state_);
  const int64_t periods = state_.periods();
  if (periods == 0) {
    // Something else is still changing. assumed: a quarter of the run so far is time enough for another look.
    next_try_ = looks_ + looks_ / 2;
    return 0;
  }
  const int64_t before = engine.firings();
  state_.advance(periods);
  engine.walk(state_);
  last_cycle_ += periods * (decision_cycle - remembered_cycle_);
  next_try_ = looks_ + 1;
  return engine.firings() - before;
}

}  // namespace rdusim::sim
