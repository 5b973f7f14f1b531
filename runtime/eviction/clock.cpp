// CLOCK with one bit: FIFO where an expert used since it was last looked at is spared once and queues again.
// (Corbato, "A Paging Experiment with the Multics System", 1968.)
#include "runtime/eviction/expert_lists.h"
#include "runtime/eviction/policy.h"

namespace rdusim::runtime {
namespace {

class Clock final : public EvictionPolicy {
 public:
  explicit Clock(size_t experts) : queue_(experts), used_(experts, 0) {}
  void loaded(ExpertId expert, Bytes) override {
    queue_.push_back(expert);
    used_[expert.value] = 0;
  }
  void used(ExpertId expert) override { used_[expert.value] = 1; }
  void evicted(ExpertId expert) override { queue_.remove(expert); }
  // Every step clears a bit or passes a refused expert, so the walk ends: who queues again has no bit left.
  std::optional<ExpertId> victim(const std::function<bool(ExpertId)>& may_go) override {
    for (ExpertId e = queue_.front(); e != queue_.end();) {
      const ExpertId next = queue_.next(e);
      if (used_[e.value] == 0) {
        if (may_go(e)) return e;
        e = next;
        continue;
      }
      used_[e.value] = 0;
      queue_.move_to_back(e);
      e = next == queue_.end() ? e : next;  // it was the last: it is looked at again, now without its bit
    }
    return std::nullopt;
  }
  void persist(Archive& a) override {
    queue_.persist(a);
    a.same(used_);
  }

 private:
  ExpertLists queue_;
  std::vector<uint8_t> used_;
};

}  // namespace

std::unique_ptr<EvictionPolicy> make_clock_policy(size_t experts) {
  return std::make_unique<Clock>(experts);
}

}  // namespace rdusim::runtime
