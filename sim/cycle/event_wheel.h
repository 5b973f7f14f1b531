// EventWheel: what happens next in a section run, by cycle; events of one cycle in the order in which they
// were added. Near events lie in a ring of lists, one a cycle; far ones in a heap until they come near.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <vector>

namespace rdusim::sim::cycle {

enum class EventKind : uint32_t {
  kArrive,
  kExpose,
  kServe,
  kInject,
  kMemory,
  kPump,
  kUnit,
  kData,
  kLine,
  kToken,
  kCredit,
  kAdvance
};

struct Event {
  EventKind kind = EventKind::kUnit;
  uint32_t a = 0;
  uint32_t b = 0;
};

class EventWheel {
 public:
  EventWheel() {
    heads_.fill(kNone);
    tails_.fill(kNone);
  }
  [[nodiscard]] int64_t now() const { return now_; }

  // Not before the present cycle.
  void add(int64_t cycle, Event event) {
    cycle = std::max(cycle, now_);
    ++size_;
    if (cycle - now_ < kSlots) return put(cycle, event);
    far_.push_back({cycle, order_++, event});
    std::push_heap(far_.begin(), far_.end(), later);
  }

  // False: nothing is left to happen.
  bool next(Event& event) {
    if (size_ == 0) return false;
    while (!far_.empty() && far_.front().cycle - now_ < kSlots) fetch();
    size_t slot = first_slot();
    if (slot == kSlots) {  // only far ones are left
      now_ = far_.front().cycle;
      while (!far_.empty() && far_.front().cycle - now_ < kSlots) fetch();
      slot = first_slot();
    }
    now_ += (static_cast<int64_t>(slot) - now_) & (kSlots - 1);
    const uint32_t node = heads_[slot];
    event = nodes_[node].event;
    heads_[slot] = nodes_[node].next;
    if (heads_[slot] == kNone) {
      tails_[slot] = kNone;
      used_[slot / 64] &= ~(uint64_t{1} << (slot % 64));
    }
    nodes_[node].next = free_;
    free_ = node;
    --size_;
    return true;
  }

 private:
  static constexpr int64_t kSlots = 4096;
  static constexpr uint32_t kNone = UINT32_MAX;
  struct Node {
    Event event;
    uint32_t next = kNone;
  };
  struct Far {
    int64_t cycle;
    uint64_t order;
    Event event;
  };
  static bool later(const Far& a, const Far& b) {
    return a.cycle != b.cycle ? a.cycle > b.cycle : a.order > b.order;
  }

  void put(int64_t cycle, Event event) {
    const auto slot = static_cast<size_t>(cycle & (kSlots - 1));
    uint32_t node = free_;
    if (node == kNone) {
      node = static_cast<uint32_t>(nodes_.size());
      nodes_.emplace_back();
    } else {
      free_ = nodes_[node].next;
    }
    nodes_[node] = {event, kNone};
    if (tails_[slot] == kNone) {
      heads_[slot] = node;
      used_[slot / 64] |= uint64_t{1} << (slot % 64);
    } else {
      nodes_[tails_[slot]].next = node;
    }
    tails_[slot] = node;
  }
  void fetch() {
    std::pop_heap(far_.begin(), far_.end(), later);
    put(far_.back().cycle, far_.back().event);
    far_.pop_back();
  }
  // The first used slot from the present cycle on, around the ring.
  [[nodiscard]] size_t first_slot() const {
    const auto start = static_cast<size_t>(now_ & (kSlots - 1));
    const size_t word = start / 64;
    const uint64_t here = used_[word] & (~uint64_t{0} << (start % 64));
    if (here != 0) return word * 64 + static_cast<size_t>(std::countr_zero(here));
    for (size_t i = 1; i <= used_.size(); ++i) {
      const size_t at = (word + i) % used_.size();
      if (used_[at] != 0) return at * 64 + static_cast<size_t>(std::countr_zero(used_[at]));
    }
    return kSlots;
  }

  int64_t now_ = 0;
  uint64_t order_ = 0;
  size_t size_ = 0;
  std::array<uint32_t, kSlots> heads_{};
  std::array<uint32_t, kSlots> tails_{};
  std::array<uint64_t, kSlots / 64> used_{};
  std::vector<Node> nodes_;
  uint32_t free_ = kNone;
  std::vector<Far> far_;
};

}  // namespace rdusim::sim::cycle
