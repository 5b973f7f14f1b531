// ExpertCache: the experts that are in HBM now. Exact accounting: used bytes never exceed the capacity, an
// expert that runs or loads is pinned and never evicted. Weights are read-only, so an evicted expert is
// dropped, not copied back. Leaves out: fragmentation (segments of one size class), partial residence.
#pragma once

#include <memory>
#include <vector>

#include "base/ids.h"
#include "base/units.h"
#include "runtime/eviction/policy.h"

namespace rdusim::runtime {

class ExpertCache {
 public:
  // `expert_bytes` by ExpertId; each must fit the capacity alone (checked by plan_node_memory before).
  ExpertCache(Bytes capacity, std::vector<Bytes> expert_bytes, std::unique_ptr<EvictionPolicy> policy);

  [[nodiscard]] bool resident(ExpertId expert) const { return resident_[expert.value]; }
  [[nodiscard]] Bytes used() const { return used_; }
  [[nodiscard]] Bytes capacity() const { return capacity_; }
  [[nodiscard]] Bytes bytes_of(ExpertId expert) const { return expert_bytes_[expert.value]; }
  [[nodiscard]] int64_t resident_count() const { return resident_count_; }

  void use(ExpertId expert);  // it is resident and runs again
  // Makes room, takes the expert in; returns who had to go, in the policy's order. The reference lives until
  // the next call.
  const std::vector<ExpertId>& load(ExpertId expert);
  void pin(ExpertId expert);
  void unpin(ExpertId expert);

 private:
  Bytes capacity_;
  Bytes used_;
  int64_t resident_count_ = 0;
  std::vector<Bytes> expert_bytes_;
  std::vector<bool> resident_;
  std::vector<int32_t> pins_;
  std::vector<ExpertId> evicted_;
  std::unique_ptr<EvictionPolicy> policy_;
};

}  // namespace rdusim::runtime
