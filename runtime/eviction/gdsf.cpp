// GDSF: greedy dual, size, frequency. An expert's priority is the cache's age when it was last used plus uses
// × cost / bytes; the least goes, and its priority becomes the age, so that what was popular once sinks in
// the end. With a cost of 1 a miss, GDSF saves misses by keeping the small; where a miss costs its bytes,
// size cancels, which is LFU with dynamic ageing (lfuda). (Cherkasova, HPL-98-69R1, 1998; Arlitt et al.,
// 2000.)
#include "runtime/eviction/expert_heap.h"
#include "runtime/eviction/policy.h"

namespace rdusim::runtime {
namespace {

// The reference's scale: 10^6 / size in units of 10^6 bytes. It matters for rounding only.
constexpr double kScale = 1e6;
constexpr double kUnitBytes = 1e6;

class GreedyDual final : public EvictionPolicy {
 public:
  GreedyDual(size_t experts, bool miss_costs_bytes)
      : heap_(experts), uses_(experts, 0), units_(experts, 0), miss_costs_bytes_(miss_costs_bytes) {}
  void loaded(ExpertId expert, Bytes bytes) override {
    uses_[expert.value] = 0;
    units_[expert.value] = static_cast<double>(bytes.value) / kUnitBytes;
    used(expert);
  }
  void used(ExpertId expert) override {
    const auto uses = static_cast<double>(++uses_[expert.value]);
    heap_.set(expert, age_ + (miss_costs_bytes_ ? uses : uses * kScale / units_[expert.value]), now_++);
  }
  void evicted(ExpertId expert) override {
    age_ = heap_.priority(expert) > age_ ? heap_.priority(expert) : age_;
    heap_.remove(expert);
  }
  std::optional<ExpertId> victim(const std::function<bool(ExpertId)>& may_go) override {
    return heap_.first(may_go);
  }
  void persist(Archive& a) override {
    heap_.persist(a);
    a.same(uses_);
    a.same(units_);
    a.pod(age_);
    a.pod(now_);
  }

 private:
  ExpertHeap heap_;
  std::vector<int64_t> uses_;  // since it was loaded
  std::vector<double> units_;
  bool miss_costs_bytes_;
  double age_ = 0;
  int64_t now_ = 0;
};

}  // namespace

std::unique_ptr<EvictionPolicy> make_gdsf_policy(size_t experts) {
  return std::make_unique<GreedyDual>(experts, false);
}
std::unique_ptr<EvictionPolicy> make_lfuda_policy(size_t experts) {
  return std::make_unique<GreedyDual>(experts, true);
}

}  // namespace rdusim::runtime
