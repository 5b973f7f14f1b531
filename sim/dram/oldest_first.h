// Banks of one pseudo channel in the order of age of the oldest row hit that each has waiting: what a
// first-ready, first-come scheduler walks until it meets a bank that may go.
//
// A linked list over bank numbers. Streams touch it at its two ends: the front bank is taken, and its next
// hit is either as old (it stays) or among the newest (it moves to the back), so both cost a few
// instructions.
#pragma once

#include <array>
#include <cstdint>

namespace rdusim::sim {

class OldestFirst {
 public:
  static constexpr int kBanks = 64;    // of a pseudo channel, at most
  static constexpr int kEnd = kBanks;  // behind the last one

  [[nodiscard]] bool empty() const { return first() == kEnd; }
  [[nodiscard]] bool contains(int bank) const { return at(bank).next >= 0; }
  [[nodiscard]] int first() const { return links_[kEnd].next; }
  [[nodiscard]] int next(int bank) const { return at(bank).next; }
  [[nodiscard]] uint64_t order(int bank) const { return at(bank).order; }

  // The oldest hit of the bank is now the one with this order (a running number of requests).
  void place(int bank, uint64_t order) {
    if (contains(bank)) {
      if (order >= at(bank).order) return advance(bank, order);
      unlink(at(bank));
    }
    insert(bank, order);
  }
  // The same for a bank in the list whose oldest hit is now a younger one.
  void advance(int bank, uint64_t order) {
    Link& link = at(bank);
    if (order <= at(link.next).order) {  // kEnd is younger than any
      link.order = order;
      return;
    }
    unlink(link);
    insert(bank, order);
  }
  // No hit of the bank waits.
  void remove(int bank) {
    Link& link = at(bank);
    if (link.next < 0) return;
    unlink(link);
    link.next = kAbsent;
  }

 private:
  static constexpr int16_t kAbsent = -1;
  struct Link {
    uint64_t order = 0;
    int16_t next = kAbsent;
    int16_t previous = kAbsent;
  };
  static constexpr std::array<Link, kBanks + 1> no_banks() {
    std::array<Link, kBanks + 1> links{};
    links[kEnd] = {UINT64_MAX, kEnd, kEnd};
    return links;
  }
  [[nodiscard]] Link& at(int bank) { return links_[static_cast<size_t>(bank)]; }
  [[nodiscard]] const Link& at(int bank) const { return links_[static_cast<size_t>(bank)]; }
  void insert(int bank, uint64_t order) {
    int before = links_[kEnd].previous;
    while (before != kEnd && at(before).order > order) before = at(before).previous;
    Link& earlier = at(before);
    at(bank) = {order, earlier.next, static_cast<int16_t>(before)};
    at(earlier.next).previous = static_cast<int16_t>(bank);
    earlier.next = static_cast<int16_t>(bank);
  }
  void unlink(const Link& link) {
    at(link.previous).next = link.next;
    at(link.next).previous = link.previous;
  }

  std::array<Link, kBanks + 1> links_ = no_banks();
};

}  // namespace rdusim::sim
