// Belady's rule: whose next use is farthest goes; who is never used again goes first of all. The optimum
// where experts have one size and all must be loaded to run; a bound of nothing where sizes differ. (Belady,
// 1966.)
#include <limits>

#include "runtime/eviction/expert_heap.h"
#include "runtime/eviction/policy.h"

namespace rdusim::runtime {
namespace {

class Belady final : public EvictionPolicy {
 public:
  Belady(size_t experts, FutureUses& future) : heap_(experts), future_(future) {}
  void loaded(ExpertId expert, Bytes) override { used(expert); }
  void used(ExpertId expert) override {
    const auto next = future_.next_use(expert);
    heap_.set(expert, next ? -static_cast<double>(*next) : -std::numeric_limits<double>::infinity(),
              expert.value);
  }
  void evicted(ExpertId expert) override { heap_.remove(expert); }
  std::optional<ExpertId> victim(const std::function<bool(ExpertId)>& may_go) override {
    return heap_.first(may_go);
  }
  void persist(Archive& a) override { heap_.persist(a); }

 private:
  ExpertHeap heap_;
  FutureUses& future_;
};

}  // namespace

std::unique_ptr<EvictionPolicy> make_belady_policy(size_t experts, FutureUses& future) {
  return std::make_unique<Belady>(experts, future);
}

}  // namespace rdusim::runtime
