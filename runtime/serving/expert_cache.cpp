// The cache of experts in a tier.
#include "runtime/serving/expert_cache.h"

#include <algorithm>

#include "base/check.h"

namespace rdusim::runtime {

ExpertCache::ExpertCache(Bytes capacity, std::vector<Bytes> expert_bytes,
                         std::unique_ptr<EvictionPolicy> policy, SpacePolicy space, bool compacts)
    : capacity_(capacity),
      expert_bytes_(std::move(expert_bytes)),
      residence_(expert_bytes_.size(), Residence::kAbsent),
      pins_(expert_bytes_.size(), 0),
      policy_(std::move(policy)),
      space_(capacity, space),
      compacts_(compacts) {
  policy_->resized(capacity);
}

void ExpertCache::use(ExpertId expert) {
  RDU_CHECK(residence(expert) != Residence::kAbsent, "expert {} is used but not resident", expert.value);
  policy_->used(expert);
}

std::optional<ExpertId> ExpertCache::next_victim(const MayGo& may_go) const {
  return policy_->victim([&](ExpertId e) { return pins_[e.value] == 0 && may_go(e); });
}

// Whether the bytes of all that may go are enough; a count, so that a refusal changes nothing.
bool ExpertCache::enough_room(ExpertId expert, const MayGo& may_go) const {
  Bytes room = space_.free();
  if (room >= bytes_of(expert)) return true;
  const auto first = next_victim(may_go);  // nearly always enough: experts are of few sizes
  if (!first) return false;
  if (room + bytes_of(*first) >= bytes_of(expert)) return true;
  for (size_t e = 0; e < residence_.size(); ++e) {
    if (residence_[e] == Residence::kAbsent || pins_[e] > 0 || !may_go(ExpertId(e))) continue;
    room += expert_bytes_[e];
    if (room >= bytes_of(expert)) return true;
  }
  return false;
}

const ExpertCache::Admission& ExpertCache::begin_load(ExpertId expert, const MayGo& may_go) {
  RDU_CHECK(residence(expert) == Residence::kAbsent, "expert {} is loaded twice", expert.value);
  admission_.room = false;
  admission_.evicted.clear();
  admission_.compacted = Bytes(0);
  if (bytes_of(expert) > capacity_ || !enough_room(expert, may_go)) return admission_;
  policy_->missed(expert, bytes_of(expert));
  while (!space_.fits(bytes_of(expert))) {
    // Enough bytes are free, only not in one piece.
    if (compacts_ && space_.free() >= bytes_of(expert)) {
      admission_.compacted += space_.compact();
      continue;
    }
    const auto victim = next_victim(may_go);
    if (!victim) {
      // Pinned experts lie across the free space: only moving them makes a hole.
      RDU_CHECK(space_.free() >= bytes_of(expert), "no expert may leave, {} B of {} B used", used().value,
                capacity_.value);
      admission_.compacted += space_.compact();
      continue;
    }
    drop(*victim);
    admission_.evicted.push_back(*victim);
  }
  space_.place(expert.value, bytes_of(expert));
  admission_.room = true;
  residence_[expert.value] = Residence::kLoading;
  ++resident_count_;
  pin(expert);
  peak_ = std::max(peak_, used());
  policy_->loaded(expert, bytes_of(expert));
  return admission_;
}

void ExpertCache::loaded(ExpertId expert) {
  RDU_CHECK(residence(expert) == Residence::kLoading, "expert {} was not loading", expert.value);
  residence_[expert.value] = Residence::kReady;
  unpin(expert);
}

void ExpertCache::drop(ExpertId expert) {
  const bool loading = residence(expert) == Residence::kLoading;
  RDU_CHECK(residence(expert) != Residence::kAbsent, "expert {} is not resident", expert.value);
  RDU_CHECK(pins_[expert.value] == (loading ? 1 : 0), "expert {} is pinned", expert.value);
  if (loading) unpin(expert);
  policy_->evicted(expert);
  space_.release(expert.value);
  residence_[expert.value] = Residence::kAbsent;
  --resident_count_;
}

void ExpertCache::pin(ExpertId expert) {
  ++pins_[expert.value];
}

void ExpertCache::unpin(ExpertId expert) {
  RDU_CHECK(pins_[expert.value] > 0, "expert {} is not pinned", expert.value);
  --pins_[expert.value];
}

void ExpertCache::set_capacity(Bytes capacity) {
  space_.set_capacity(capacity);
  capacity_ = capacity;
  policy_->resized(capacity);
}

void ExpertCache::persist(Archive& a) {
  a.mark("CACH");
  a.pod(capacity_);
  a.pod(peak_);
  a.pod(resident_count_);
  a.same(residence_);
  a.same(pins_);
  policy_->persist(a);
  space_.persist(a);
}

}  // namespace rdusim::runtime
