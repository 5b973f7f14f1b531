// FIFO: whoever was loaded first goes first; use changes nothing.
#include "runtime/eviction/expert_lists.h"
#include "runtime/eviction/policy.h"

namespace rdusim::runtime {
namespace {

class Fifo final : public EvictionPolicy {
 public:
  explicit Fifo(size_t experts) : queue_(experts) {}
  void loaded(ExpertId expert, Bytes) override { queue_.push_back(expert); }
  void used(ExpertId) override {}
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

std::unique_ptr<EvictionPolicy> make_fifo_policy(size_t experts) {
  return std::make_unique<Fifo>(experts);
}

}  // namespace rdusim::runtime
