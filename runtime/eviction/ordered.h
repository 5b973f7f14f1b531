// The two orders that plain policies keep: a queue (FIFO, LRU), and priorities with the earlier change first
// among equals (LFU, size, GDSF). A policy says what loading and use do to the order; the rest stands here.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "runtime/eviction/expert_heap.h"
#include "runtime/eviction/expert_lists.h"
#include "runtime/eviction/policy.h"

namespace rdusim::runtime {

// Whoever stands in front goes first.
class QueuePolicy : public EvictionPolicy {
 public:
  explicit QueuePolicy(size_t experts) : queue_(experts) {}
  void loaded(ExpertId expert, Bytes) override { queue_.push_back(expert); }
  void evicted(ExpertId expert) override { queue_.remove(expert); }
  std::optional<ExpertId> victim(const std::function<bool(ExpertId)>& may_go) override {
    for (ExpertId e = queue_.front(); e != queue_.end(); e = queue_.next(e)) {
      if (may_go(e)) return e;
    }
    return std::nullopt;
  }
  void persist(Archive& a) override { queue_.persist(a); }

 protected:
  ExpertLists queue_;
};

// Whoever has the least priority goes first.
class PriorityPolicy : public EvictionPolicy {
 public:
  explicit PriorityPolicy(size_t experts) : heap_(experts) {}
  void evicted(ExpertId expert) override { heap_.remove(expert); }
  std::optional<ExpertId> victim(const std::function<bool(ExpertId)>& may_go) override {
    return heap_.first(may_go);
  }
  void persist(Archive& a) override {
    heap_.persist(a);
    a.pod(now_);
  }

 protected:
  void set(ExpertId expert, double priority) { heap_.set(expert, priority, now_++); }
  [[nodiscard]] double priority(ExpertId expert) const { return heap_.priority(expert); }

 private:
  ExpertHeap heap_;
  int64_t now_ = 0;
};

}  // namespace rdusim::runtime
