// Banks of one activate domain that wait for the same row command (activate or precharge) for one direction:
// which of them may have it as far as their own timing goes, and when the next of the others may.
//
// A bank comes in with the tick from which its own timing allows the command, and with the number of the
// request it waits for. Those whose tick has passed are `due` and are not looked at again until one is
// picked; of the others only the earliest tick matters. What a group, a domain or the bus adds is the
// caller's.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>

#include "sim/dram/timing.h"

namespace rdusim::sim {

class RowSet {
 public:
  static constexpr int kBanks = 64;  // of a pseudo channel, at most

  [[nodiscard]] uint64_t banks() const { return banks_; }
  [[nodiscard]] bool contains(int bank) const { return (banks_ >> bank & 1) != 0; }
  // Banks whose tick has passed, as of the last pass_to().
  [[nodiscard]] uint64_t due() const { return due_; }
  [[nodiscard]] uint64_t later() const { return banks_ & ~due_; }
  // The earliest tick of the others.
  [[nodiscard]] int64_t next() const { return next_; }
  [[nodiscard]] int64_t ready(int bank) const { return ready_[static_cast<size_t>(bank)]; }
  [[nodiscard]] uint64_t order(int bank) const { return order_[static_cast<size_t>(bank)]; }
  // No bank waits for an older request than this.
  [[nodiscard]] uint64_t least_order() const { return least_order_; }

  // Nothing if it is there already: what a bank waits for does not change while it waits.
  void place(int bank, int64_t ready, uint64_t order) {
    if (contains(bank)) return;
    least_order_ = banks_ == 0 ? order : std::min(least_order_, order);
    banks_ |= bit(bank);
    ready_[static_cast<size_t>(bank)] = ready;
    order_[static_cast<size_t>(bank)] = order;
    next_ = std::min(next_, ready);
  }
  void remove(int bank) {
    if (!contains(bank)) return;
    banks_ &= ~bit(bank);
    const bool was_due = (due_ & bit(bank)) != 0;
    due_ &= ~bit(bank);
    if (!was_due && ready(bank) == next_) find_next();
  }
  // Its own timing holds the bank until a later tick.
  void put_off(int bank, int64_t ready) {
    if (!contains(bank) || ready <= this->ready(bank)) return;
    const bool was_next = (due_ & bit(bank)) == 0 && this->ready(bank) == next_;
    due_ &= ~bit(bank);
    ready_[static_cast<size_t>(bank)] = ready;
    if (was_next) return find_next();
    next_ = std::min(next_, ready);
  }
  void pass_to(int64_t tick) {
    if (next_ > tick) return;
    uint64_t passed = 0;
    next_ = kNever;
    for (uint64_t rest = later(); rest != 0; rest &= rest - 1) {
      const int bank = std::countr_zero(rest);
      const bool is_due = ready(bank) <= tick;
      passed |= static_cast<uint64_t>(is_due) << bank;
      next_ = std::min(next_, is_due ? kNever : ready(bank));
    }
    due_ |= passed;
  }

 private:
  [[nodiscard]] static uint64_t bit(int bank) { return uint64_t{1} << bank; }
  void find_next() {
    next_ = kNever;
    for (uint64_t rest = later(); rest != 0; rest &= rest - 1)
      next_ = std::min(next_, ready(std::countr_zero(rest)));
  }

  uint64_t banks_ = 0;
  uint64_t due_ = 0;
  int64_t next_ = kNever;
  uint64_t least_order_ = 0;
  std::array<int64_t, kBanks> ready_{};
  std::array<uint64_t, kBanks> order_{};
};

}  // namespace rdusim::sim
