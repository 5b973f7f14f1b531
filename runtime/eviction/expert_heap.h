// Experts by priority: a binary heap that knows where each expert stands, so that its priority can change.
// The least goes first; among equal priorities the least order number, which makes the order total. Every
// operation is O(log experts); nothing is allocated after construction.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "base/ids.h"
#include "runtime/serving/archive.h"

namespace rdusim::runtime {

class ExpertHeap {
 public:
  explicit ExpertHeap(size_t experts);

  [[nodiscard]] bool contains(ExpertId e) const { return place_[e.value] != kNowhere; }
  [[nodiscard]] double priority(ExpertId e) const { return heap_[place_[e.value]].priority; }
  // Takes the expert in, or changes its priority.
  void set(ExpertId e, double priority, int64_t order);
  void remove(ExpertId e);
  void persist(Archive& a) {
    a.pods(heap_);
    a.same(place_);
  }
  // The first that may go; those before it are set aside and put back: O(refused × log experts).
  [[nodiscard]] std::optional<ExpertId> first(const std::function<bool(ExpertId)>& may_go);

 private:
  static constexpr uint32_t kNowhere = UINT32_MAX;
  struct Entry {
    double priority;
    int64_t order;
    ExpertId expert;
    [[nodiscard]] bool before(const Entry& other) const {
      return priority != other.priority ? priority < other.priority : order < other.order;
    }
  };
  void put(size_t place, const Entry& entry);
  void rise(size_t place);
  void sink(size_t place);

  std::vector<Entry> heap_;
  std::vector<uint32_t> place_;  // by expert
  std::vector<Entry> aside_;
};

}  // namespace rdusim::runtime
