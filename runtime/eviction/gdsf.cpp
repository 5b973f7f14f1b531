// GDSF: greedy dual, size, frequency. An expert's priority is the cache's age when it was last used plus uses
// × cost / bytes; the least goes, and its priority becomes the age, so that what was popular once sinks in
// the end. With a cost of 1 a miss, GDSF saves misses by keeping the small; where a miss costs its bytes,
// size cancels, which is LFU with dynamic ageing (lfuda). (Cherkasova, HPL-98-69R1, 1998; Arlitt et al.,
// 2000.)
#include <algorithm>
#include <vector>

#include "runtime/eviction/ordered.h"

namespace rdusim::runtime {
namespace {

// The reference's scale: 10^6 / size in units of 10^6 bytes. It matters for rounding only.
constexpr double kScale = 1e6;
constexpr double kUnitBytes = 1e6;

class GreedyDual final : public PriorityPolicy {
 public:
  GreedyDual(size_t experts, bool miss_costs_bytes)
      : PriorityPolicy(experts), uses_(experts, 0), units_(experts, 0), miss_costs_bytes_(miss_costs_bytes) {}
  void loaded(ExpertId expert, Bytes bytes) override {
    uses_[expert.value] = 0;
    units_[expert.value] = static_cast<double>(bytes.value) / kUnitBytes;
    used(expert);
  }
  void used(ExpertId expert) override {
    const auto uses = static_cast<double>(++uses_[expert.value]);
    set(expert, age_ + (miss_costs_bytes_ ? uses : uses * kScale / units_[expert.value]));
  }
  void evicted(ExpertId expert) override {
    age_ = std::max(age_, priority(expert));
    PriorityPolicy::evicted(expert);
  }
  void persist(Archive& a) override {
    PriorityPolicy::persist(a);
    a.same(uses_);
    a.same(units_);
    a.pod(age_);
  }

 private:
  std::vector<int64_t> uses_;  // since it was loaded
  std::vector<double> units_;
  bool miss_costs_bytes_;
  double age_ = 0;
};

}  // namespace

std::unique_ptr<EvictionPolicy> make_gdsf_policy(size_t experts) {
  return std::make_unique<GreedyDual>(experts, false);
}
std::unique_ptr<EvictionPolicy> make_lfuda_policy(size_t experts) {
  return std::make_unique<GreedyDual>(experts, true);
}

}  // namespace rdusim::runtime
