#include "sim/stamp_server.h"

#include <algorithm>
#include <tuple>

namespace rdusim::sim {

template <typename Stamp>
const MemoryTurn<Stamp>& MemoryTurns<Stamp>::take(int64_t cycle) {
  size_t chosen = waiting_.size();
  for (size_t i = 0; i < waiting_.size(); ++i) {
    const Turn& turn = *waiting_[i];
    if (cycle_of(turn.arrival) > cycle) continue;
    if (chosen == waiting_.size() ||
        std::tie(turn.priority, turn.order) < std::tie(waiting_[chosen]->priority, waiting_[chosen]->order)) {
      chosen = i;
    }
  }
  const Turn& turn = *waiting_[chosen];
  waiting_[chosen] = waiting_.back();
  waiting_.pop_back();
  find_earliest();
  ++events_;
  return turn;
}

template <typename Stamp>
void MemoryTurns<Stamp>::find_earliest() {
  earliest_ = kNoDecision;
  for (const Turn* turn : waiting_) earliest_ = std::min(earliest_, cycle_of(turn->arrival));
}

template <typename Stamp>
void MemoryTurns<Stamp>::walk(StateWalk& state, int64_t from) {
  state.item(events_);
  state.same(static_cast<int64_t>(waiting_.size()));
  state.require(waiting_.empty() || !state.untouched());
  clock.walk(state, from);
  if (state.advancing()) find_earliest();
}

template <typename Stamp>
void LinkTurns<Stamp>::post(const Turn& turn) {
  if (head_ > 64 && 2 * head_ > waiting_.size()) {
    waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(head_));
    head_ = 0;
  }
  auto at = waiting_.end();
  const auto first = waiting_.begin() + static_cast<std::ptrdiff_t>(head_);
  const auto goes_first = [](const Turn& a, const Turn& b) {
    return cycle_of(a.arrival) != cycle_of(b.arrival) ? cycle_of(a.arrival) < cycle_of(b.arrival)
                                                      : a.order < b.order;
  };
  while (at != first && goes_first(turn, *std::prev(at))) --at;
  waiting_.insert(at, turn);
  ++events_;
}

template <typename Stamp>
void LinkTurns<Stamp>::walk(StateWalk& state, int64_t from) {
  state.item(events_);
  state.same(static_cast<int64_t>(waiting_.size() - head_));
  state.require(head_ == waiting_.size() || !state.untouched());
  clock.walk(state, from);
  if (!state.goes_on()) return;
  for (size_t i = head_; i < waiting_.size(); ++i) {
    Turn& turn = waiting_[i];
    state.stamp(turn.arrival);
    for (const int64_t x : {turn.order, turn.sent_bytes, turn.received_bytes, turn.rows, turn.cols})
      state.same(x);
  }
}

template class MemoryTurns<int64_t>;
template class MemoryTurns<TracedStamp>;
template class LinkTurns<int64_t>;
template class LinkTurns<TracedStamp>;

}  // namespace rdusim::sim
