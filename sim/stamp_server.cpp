#include "sim/stamp_server.h"

#include <algorithm>
#include <tuple>

namespace rdusim::sim {

const MemoryTurn& MemoryTurns::take(int64_t cycle) {
  size_t chosen = waiting_.size();
  for (size_t i = 0; i < waiting_.size(); ++i) {
    const MemoryTurn& turn = *waiting_[i];
    if (turn.arrival_cycle > cycle) continue;
    if (chosen == waiting_.size() ||
        std::tie(turn.priority, turn.order) < std::tie(waiting_[chosen]->priority, waiting_[chosen]->order)) {
      chosen = i;
    }
  }
  const MemoryTurn& turn = *waiting_[chosen];
  waiting_[chosen] = waiting_.back();
  waiting_.pop_back();
  find_earliest();
  ++events_;
  return turn;
}

void MemoryTurns::find_earliest() {
  earliest_ = kNoDecision;
  for (const MemoryTurn* turn : waiting_) earliest_ = std::min(earliest_, turn->arrival_cycle);
}

void MemoryTurns::walk(StateWalk& state, int64_t from) {
  state.item(events_);
  state.same(static_cast<int64_t>(waiting_.size()));
  state.require(waiting_.empty() || !state.untouched());
  clock.walk(state, from);
  if (state.advancing()) find_earliest();
}

void LinkTurns::post(const MessageTurn& turn) {
  if (head_ > 64 && 2 * head_ > waiting_.size()) {
    waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(head_));
    head_ = 0;
  }
  auto at = waiting_.end();
  const auto first = waiting_.begin() + static_cast<std::ptrdiff_t>(head_);
  while (at != first && std::tie(turn.arrival_cycle, turn.order) <
                            std::tie(std::prev(at)->arrival_cycle, std::prev(at)->order)) {
    --at;
  }
  waiting_.insert(at, turn);
  ++events_;
}

void LinkTurns::walk(StateWalk& state, int64_t from) {
  state.item(events_);
  state.same(static_cast<int64_t>(waiting_.size() - head_));
  state.require(head_ == waiting_.size() || !state.untouched());
  clock.walk(state, from);
  if (!state.goes_on()) return;
  for (size_t i = head_; i < waiting_.size(); ++i) {
    MessageTurn& turn = waiting_[i];
    state.stamp(turn.arrival_cycle);
    for (const int64_t x : {turn.order, turn.sent_bytes, turn.received_bytes, turn.rows, turn.cols})
      state.same(x);
  }
}

}  // namespace rdusim::sim
