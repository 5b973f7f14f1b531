// SIEVE: FIFO with a hand that walks from old to new, spares who was used since it last passed, in its place,
// and takes the first that was not. (Zhang et al., "SIEVE is Simpler than LRU", NSDI 2024.)
#include "runtime/eviction/expert_lists.h"
#include "runtime/eviction/policy.h"

namespace rdusim::runtime {
namespace {

class Sieve final : public EvictionPolicy {
 public:
  explicit Sieve(size_t experts) : queue_(experts), hand_(queue_.end()), used_(experts, 0) {}
  void loaded(ExpertId expert, Bytes) override {
    queue_.push_back(expert);
    used_[expert.value] = 0;
  }
  void used(ExpertId expert) override { used_[expert.value] = 1; }
  void evicted(ExpertId expert) override {
    if (hand_ == expert) hand_ = queue_.next(expert);
    queue_.remove(expert);
  }
  // The hand stays on whom it names; evicted() moves it on. Two rounds meet everyone without a bit.
  std::optional<ExpertId> victim(const std::function<bool(ExpertId)>& may_go) override {
    for (int passes_of_end = 0; passes_of_end <= 2;) {
      if (hand_ == queue_.end()) {
        hand_ = queue_.front();
        ++passes_of_end;
        if (queue_.empty()) return std::nullopt;
      }
      if (used_[hand_.value] == 0 && may_go(hand_)) return hand_;
      used_[hand_.value] = 0;
      hand_ = queue_.next(hand_);
    }
    return std::nullopt;
  }
  void persist(Archive& a) override {
    queue_.persist(a);
    a.pod(hand_);
    a.same(used_);
  }

 private:
  ExpertLists queue_;
  ExpertId hand_;
  std::vector<uint8_t> used_;
};

}  // namespace

std::unique_ptr<EvictionPolicy> make_sieve_policy(size_t experts) {
  return std::make_unique<Sieve>(experts);
}

}  // namespace rdusim::runtime
