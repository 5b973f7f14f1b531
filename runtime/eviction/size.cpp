// Size: the largest goes first, so that few experts leave for one that comes; the least recently used among
// equals. Keeps many small experts, and pays for it in bytes.
#include "runtime/eviction/ordered.h"

namespace rdusim::runtime {
namespace {

class Size final : public PriorityPolicy {
 public:
  using PriorityPolicy::PriorityPolicy;
  void loaded(ExpertId expert, Bytes bytes) override { set(expert, -static_cast<double>(bytes.value)); }
  void used(ExpertId expert) override { set(expert, priority(expert)); }
};

}  // namespace

std::unique_ptr<EvictionPolicy> make_size_policy(size_t experts) {
  return std::make_unique<Size>(experts);
}

}  // namespace rdusim::runtime
