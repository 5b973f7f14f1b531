// FIFO: whoever was loaded first goes first; use changes nothing.
#include "runtime/eviction/ordered.h"

namespace rdusim::runtime {
namespace {

class Fifo final : public QueuePolicy {
 public:
  using QueuePolicy::QueuePolicy;
  void used(ExpertId) override {}
};

}  // namespace

std::unique_ptr<EvictionPolicy> make_fifo_policy(size_t experts) {
  return std::make_unique<Fifo>(experts);
}

}  // namespace rdusim::runtime
