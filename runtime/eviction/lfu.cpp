// LFU: the least uses since it was loaded; an expert that left starts anew. Among equals the one that reached
// its number of uses first.
#include "runtime/eviction/ordered.h"

namespace rdusim::runtime {
namespace {

class Lfu final : public PriorityPolicy {
 public:
  using PriorityPolicy::PriorityPolicy;
  void loaded(ExpertId expert, Bytes) override { set(expert, 1); }
  void used(ExpertId expert) override { set(expert, priority(expert) + 1); }
};

}  // namespace

std::unique_ptr<EvictionPolicy> make_lfu_policy(size_t experts) {
  return std::make_unique<Lfu>(experts);
}

}  // namespace rdusim::runtime
