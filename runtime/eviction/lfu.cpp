// LFU: the least uses since it was loaded; an expert that left starts anew. Among equals the one that reached
// its number of uses first.
#include "runtime/eviction/expert_heap.h"
#include "runtime/eviction/policy.h"

namespace rdusim::runtime {
namespace {

class Lfu final : public EvictionPolicy {
 public:
  explicit Lfu(size_t experts) : heap_(experts) {}
  void loaded(ExpertId expert, Bytes) override { heap_.set(expert, 1, now_++); }
  void used(ExpertId expert) override { heap_.set(expert, heap_.priority(expert) + 1, now_++); }
  void evicted(ExpertId expert) override { heap_.remove(expert); }
  std::optional<ExpertId> victim(const std::function<bool(ExpertId)>& may_go) override {
    return heap_.first(may_go);
  }
  void persist(Archive& a) override {
    heap_.persist(a);
    a.pod(now_);
  }

 private:
  ExpertHeap heap_;
  int64_t now_ = 0;
};

}  // namespace

std::unique_ptr<EvictionPolicy> make_lfu_policy(size_t experts) {
  return std::make_unique<Lfu>(experts);
}

}  // namespace rdusim::runtime
