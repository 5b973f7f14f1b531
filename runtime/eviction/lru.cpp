// LRU, the published system's policy: a list from the least to the most recently used.
#include "runtime/eviction/expert_lists.h"
#include "runtime/eviction/policy.h"

namespace rdusim::runtime {
namespace {

class Lru final : public EvictionPolicy {
 public:
  explicit Lru(size_t experts) : queue_(experts) {}
  void loaded(ExpertId expert, Bytes) override { queue_.push_back(expert); }
  void used(ExpertId expert) override { queue_.move_to_back(expert); }
  void evicted(ExpertId expert) override { queue_.remove(expert); }
  std::optional<ExpertId> victim(const std::function<bool(ExpertId)>& may_go) override {
    for (ExpertId e = queue_.front(); e != queue_.end(); e = queue_.next(e)) {
      if (may_go(e)) return e;
    }
    return std::nullopt;
  }
  void persist(Archive& a) override { queue_.persist(a); }

 private:
  ExpertLists queue_;
};

}  // namespace

std::unique_ptr<EvictionPolicy> make_lru_policy(size_t experts) {
  return std::make_unique<Lru>(experts);
}

}  // namespace rdusim::runtime
