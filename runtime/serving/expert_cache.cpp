// The HBM cache of experts.
#include "runtime/serving/expert_cache.h"

#include "base/check.h"

namespace rdusim::runtime {

ExpertCache::ExpertCache(Bytes capacity, std::vector<Bytes> expert_bytes,
                         std::unique_ptr<EvictionPolicy> policy)
    : capacity_(capacity),
      expert_bytes_(std::move(expert_bytes)),
      resident_(expert_bytes_.size(), false),
      pins_(expert_bytes_.size(), 0),
      policy_(std::move(policy)) {}

void ExpertCache::use(ExpertId expert) {
  RDU_CHECK(resident(expert), "expert {} is used but not resident", expert.value);
  policy_->used(expert);
}

const std::vector<ExpertId>& ExpertCache::load(ExpertId expert) {
  RDU_CHECK(!resident(expert), "expert {} is loaded twice", expert.value);
  RDU_CHECK(bytes_of(expert) <= capacity_, "expert {} of {} B in a cache of {} B", expert.value,
            bytes_of(expert).value, capacity_.value);
  evicted_.clear();
  while (used_ + bytes_of(expert) > capacity_) {
    const auto victim = policy_->victim([this](ExpertId e) { return pins_[e.value] == 0; });
    RDU_CHECK(victim.has_value(), "no expert may leave, {} B of {} B used", used_.value, capacity_.value);
    policy_->evicted(*victim);
    resident_[victim->value] = false;
    used_ -= bytes_of(*victim);
    --resident_count_;
    evicted_.push_back(*victim);
  }
  resident_[expert.value] = true;
  used_ += bytes_of(expert);
  ++resident_count_;
  policy_->loaded(expert, bytes_of(expert));
  return evicted_;
}

void ExpertCache::pin(ExpertId expert) {
  ++pins_[expert.value];
}

void ExpertCache::unpin(ExpertId expert) {
  RDU_CHECK(pins_[expert.value] > 0, "expert {} is not pinned", expert.value);
  --pins_[expert.value];
}

}  // namespace rdusim::runtime
