// LRU, the published system's policy: a list from the least to the most recently used.
#include "runtime/eviction/ordered.h"

namespace rdusim::runtime {
namespace {

class Lru final : public QueuePolicy {
 public:
  using QueuePolicy::QueuePolicy;
  void used(ExpertId expert) override { queue_.move_to_back(expert); }
};

}  // namespace

std::unique_ptr<EvictionPolicy> make_lru_policy(size_t experts) {
  return std::make_unique<Lru>(experts);
}

}  // namespace rdusim::runtime
