// Queues of experts, threaded through one array by id: an expert is in at most one of them. Every operation
// is O(1); nothing is allocated after construction.
//
//   front (first to go) ◄──► ... ◄──► back (newest)
#pragma once

#include <cstdint>
#include <vector>

#include "base/check.h"
#include "base/ids.h"
#include "runtime/serving/archive.h"

namespace rdusim::runtime {

class ExpertLists {
 public:
  ExpertLists(size_t experts, size_t lists = 1)
      : experts_(static_cast<uint32_t>(experts)), links_(experts + lists), list_of_(experts, kNone) {
    for (uint32_t i = 0; i < links_.size(); ++i) links_[i] = {i, i};
  }

  // Past the last expert of a list in either direction; compares with what next() and previous() give.
  [[nodiscard]] ExpertId end(uint32_t list = 0) const { return ExpertId(size_t{experts_} + list); }
  [[nodiscard]] ExpertId front(uint32_t list = 0) const { return next(end(list)); }
  [[nodiscard]] ExpertId back(uint32_t list = 0) const { return previous(end(list)); }
  [[nodiscard]] bool empty(uint32_t list = 0) const { return front(list) == end(list); }
  [[nodiscard]] ExpertId next(ExpertId e) const { return ExpertId(size_t{links_[e.value].next}); }
  [[nodiscard]] ExpertId previous(ExpertId e) const { return ExpertId(size_t{links_[e.value].previous}); }
  [[nodiscard]] bool in(ExpertId e, uint32_t list = 0) const { return list_of_[e.value] == list; }

  void push_back(ExpertId e, uint32_t list = 0) {
    RDU_CHECK(list_of_[e.value] == kNone, "expert {} is in a list already", e.value);
    const uint32_t head = end(list).value;
    const uint32_t last = links_[head].previous;
    links_[e.value] = {last, head};
    links_[last].next = e.value;
    links_[head].previous = e.value;
    list_of_[e.value] = list;
  }
  void remove(ExpertId e) {
    RDU_CHECK(list_of_[e.value] != kNone, "expert {} is in no list", e.value);
    const Link link = links_[e.value];
    links_[link.previous].next = link.next;
    links_[link.next].previous = link.previous;
    list_of_[e.value] = kNone;
  }
  void persist(Archive& a) {
    a.same(links_);
    a.same(list_of_);
  }
  void move_to_back(ExpertId e, uint32_t list = 0) {
    remove(e);
    push_back(e, list);
  }

 private:
  static constexpr uint32_t kNone = UINT32_MAX;
  struct Link {
    uint32_t previous;
    uint32_t next;
  };
  uint32_t experts_;
  std::vector<Link> links_;  // experts, then a head a list
  std::vector<uint32_t> list_of_;
};

}  // namespace rdusim::runtime
