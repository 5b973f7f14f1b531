// Size: the largest goes first, so that few experts leave for one that comes; the least recently used among
// equals. Keeps many small experts, and pays for it in bytes.
#include "runtime/eviction/expert_heap.h"
#include "runtime/eviction/policy.h"

namespace rdusim::runtime {
namespace {

class Size final : public EvictionPolicy {
 public:
  explicit Size(size_t experts) : heap_(experts) {}
  void loaded(ExpertId expert, Bytes bytes) override {
    heap_.set(expert, -static_cast<double>(bytes.value), now_++);
  }
  void used(ExpertId expert) override { heap_.set(expert, heap_.priority(expert), now_++); }
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

std::unique_ptr<EvictionPolicy> make_size_policy(size_t experts) {
  return std::make_unique<Size>(experts);
}

}  // namespace rdusim::runtime
