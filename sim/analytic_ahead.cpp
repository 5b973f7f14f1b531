// Closed form of a head start: units that run ahead begin at -head, as far as their channels hold what they
// bring; time 0 is the launch's end, where all others begin.
//
//   memory:   | ahead of the launch (before 0) | what follows and what waited |
//
// The head start is a cost like others, so the gradient says how much of it the run waits for: none where
// memory idles at its end because all slots are full, all where the streams bind to the end.
#include <algorithm>
#include <cmath>

#include "sim/analytic_section.h"

namespace rdusim::sim {

template <typename Number>
void AnalyticSection<Number>::begin_ahead() {
  if (head_start_.cycles == 0) return;
  head_ = cost(StepKind::kLaunch, 0, static_cast<double>(head_start_.cycles));
  for (size_t u = 0; u < models_.size(); ++u) {
    if (!models_[u].stream || !head_start_.runs_ahead(u)) continue;
    FluidStream& s = stream_of(models_[u]);
    s.release = begin_of(u);
    s.gate = s.release;
    for (const ChannelId c : unit(u).outputs[0].channels)
      s.gate = std::max<Number>(s.gate, begin_of(ends_[c.value].consumer->value));
  }
}

// A buffer's work in the head start is taken to go on evenly.
template <typename Number>
void AnalyticSection<Number>::count_ahead() {
  if (head_start_.cycles == 0) return;
  for (size_t u = 0; u < models_.size(); ++u) {
    if (!head_start_.runs_ahead(u)) continue;
    const UnitModel& m = models_[u];
    const double busy = m.busy * static_cast<double>(unit(u).firings);
    const double end = value_of(m.end);
    const double begin = value_of(begin_of(u));
    const double share = end <= 0 ? 1 : -begin / (end - begin);
    const double before = m.stream ? stream_of(m).early_cycles : busy * share;
    ahead_busy_[u] = std::clamp<int64_t>(std::llround(std::min(before, busy)), 0, head_start_.cycles);
  }
}

// Only a loop's first iteration has it: later ones begin from a run without.
template <typename Number>
void AnalyticSection<Number>::end_head_start() {
  head_ = 0;
  for (UnitModel& m : models_) {
    if (m.stream) stream_of(m).release = stream_of(m).gate = 0;
  }
  settle();
}

template void AnalyticSection<double>::begin_ahead();
template void AnalyticSection<Dual>::begin_ahead();
template void AnalyticSection<double>::count_ahead();
template void AnalyticSection<Dual>::count_ahead();
template void AnalyticSection<double>::end_head_start();
template void AnalyticSection<Dual>::end_head_start();

}  // namespace rdusim::sim
