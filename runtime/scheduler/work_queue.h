// WorkQueue: the experts with work, all of them and those in HBM, each in a heap by a key of the scheduler's
// choice. What the iterating schedulers are made of.
#pragma once

#include <vector>

#include "runtime/scheduler/indexed_heap.h"
#include "runtime/scheduler/scheduler.h"

namespace rdusim::runtime {

class WorkQueue {
 public:
  explicit WorkQueue(size_t experts) : views_(experts), all_(experts), ready_(experts), by_turn_(experts) {}

  void set(ExpertId expert, const ExpertView& view, int64_t key) {
    views_[expert.value] = view;
    if (!view.has_work()) {
      all_.remove(expert);
      ready_.remove(expert);
      by_turn_.remove(expert);
      return;
    }
    all_.set(expert, key);
    by_turn_.set(expert, view.oldest_turn);
    if (view.ready) {
      ready_.set(expert, key);
    } else {
      ready_.remove(expert);
    }
  }
  [[nodiscard]] const IndexedHeap& all() const { return all_; }
  [[nodiscard]] const IndexedHeap& ready() const { return ready_; }
  [[nodiscard]] const ExpertView& view(ExpertId expert) const { return views_[expert.value]; }

  // The expert of the oldest request if that waited longer than allowed: it goes first whatever the key says.
  [[nodiscard]] std::optional<ExpertId> overdue(Picoseconds now, Picoseconds longest_wait) const {
    const auto oldest = by_turn_.top();
    if (!oldest || now - views_[oldest->value].oldest_arrival < longest_wait) return std::nullopt;
    return oldest;
  }
  // Whether the current expert goes on: it has work, and its quantum or its least time is not over.
  [[nodiscard]] bool keeps(const StreamView& stream, const SchedulerOptions& options,
                           const IndexedHeap& heap) const {
    if (!stream.current || !heap.contains(*stream.current)) return false;
    if (stream.now - stream.current_since < options.least_resident) return true;
    return options.quantum_steps == 0 || stream.current_steps < options.quantum_steps;
  }
  // The first of the heap that is not `expert`; `expert` itself if there is no other.
  [[nodiscard]] std::optional<ExpertId> first_but(std::optional<ExpertId> expert,
                                                  const IndexedHeap& heap) const {
    const auto first = heap.top();
    if (!first || first != expert) return first;
    two_.clear();
    heap.smallest(2, two_);
    return two_.back();
  }

 private:
  std::vector<ExpertView> views_;
  IndexedHeap all_;
  IndexedHeap ready_;
  IndexedHeap by_turn_;
  mutable std::vector<ExpertId> two_;
};

}  // namespace rdusim::runtime
