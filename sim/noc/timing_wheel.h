// Events a few cycles ahead: a ring of slots, one a cycle, each an array whose capacity is set once. Adding
// and draining cost a few instructions; finding the next filled slot looks at no more slots than the longest
// delay.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/check.h"

namespace rdusim::sim::noc {

template <typename Event>
class TimingWheel {
 public:
  // Delays of 1 to `longest_delay` cycles; at most `capacity` events a cycle.
  void configure(int64_t longest_delay, size_t capacity) {
    size_t slots = 2;
    while (slots < static_cast<size_t>(longest_delay) + 1) slots *= 2;
    mask_ = slots - 1;
    capacity_ = capacity;
    counts_.assign(slots, 0);
    events_.assign(slots * capacity, Event{});
    pending_ = 0;
  }
  void add(int64_t cycle, const Event& event) {
    const size_t slot = static_cast<size_t>(cycle) & mask_;
    RDU_CHECK(counts_[slot] < capacity_, "timing wheel: more than {} events in cycle {}", capacity_, cycle);
    events_[slot * capacity_ + counts_[slot]++] = event;
    ++pending_;
  }
  // The events of a cycle; the slot is empty again afterwards. What the caller does meanwhile must not add to
  // the same cycle.
  std::span<const Event> take(int64_t cycle) {
    const size_t slot = static_cast<size_t>(cycle) & mask_;
    const size_t count = counts_[slot];
    counts_[slot] = 0;
    pending_ -= count;
    return {events_.data() + slot * capacity_, count};
  }
  // First cycle after `cycle` that has an event; INT64_MAX without any.
  [[nodiscard]] int64_t next_after(int64_t cycle) const {
    if (pending_ == 0) return INT64_MAX;
    for (int64_t ahead = 1; ahead <= static_cast<int64_t>(mask_) + 1; ++ahead) {
      if (counts_[static_cast<size_t>(cycle + ahead) & mask_] != 0) return cycle + ahead;
    }
    return INT64_MAX;
  }

 private:
  size_t mask_ = 1;
  size_t capacity_ = 0;
  size_t pending_ = 0;
  std::vector<size_t> counts_;
  std::vector<Event> events_;
};

}  // namespace rdusim::sim::noc
