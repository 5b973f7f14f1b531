// ExpertCache: the experts that are in one tier (HBM, or SRAM) now. Exact accounting: used bytes never exceed
// the capacity, an expert that runs or loads is pinned and never evicted. Weights are read-only, so an
// evicted expert is dropped, not copied back; nothing is evicted before its room is needed.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "base/ids.h"
#include "base/units.h"
#include "runtime/eviction/policy.h"
#include "runtime/serving/hbm_space.h"

namespace rdusim::runtime {

enum class Residence : uint8_t { kAbsent, kLoading, kReady };

class ExpertCache {
 public:
  using MayGo = std::function<bool(ExpertId)>;

  // `expert_bytes` by ExpertId. `compacts`: holes that are too small are moved together before more is
  // evicted.
  ExpertCache(Bytes capacity, std::vector<Bytes> expert_bytes, std::unique_ptr<EvictionPolicy> policy,
              SpacePolicy space = SpacePolicy::kScattered, bool compacts = false);

  [[nodiscard]] Residence residence(ExpertId expert) const { return residence_[expert.value]; }
  [[nodiscard]] bool ready(ExpertId expert) const { return residence(expert) == Residence::kReady; }
  [[nodiscard]] Bytes used() const { return space_.used(); }
  [[nodiscard]] Bytes capacity() const { return capacity_; }
  [[nodiscard]] Bytes bytes_of(ExpertId expert) const { return expert_bytes_[expert.value]; }
  [[nodiscard]] int64_t resident_count() const { return resident_count_; }
  [[nodiscard]] Bytes peak() const { return peak_; }
  [[nodiscard]] bool pinned(ExpertId expert) const { return pins_[expert.value] > 0; }

  void use(ExpertId expert);  // it is resident and runs again

  struct Admission {
    bool room = false;
    std::vector<ExpertId> evicted;  // in the policy's order
    Bytes compacted;                // moved to make one hole
  };
  // Makes room and reserves it: the expert is then loading, and pinned until loaded() or dropped. Experts
  // that `may_go` refuses stay. Without room nothing changes. The reference lives until the next call.
  const Admission& begin_load(ExpertId expert, const MayGo& may_go);
  void loaded(ExpertId expert);
  // Leaves at once, loading or ready; not while it is pinned otherwise.
  void drop(ExpertId expert);
  void pin(ExpertId expert);
  void unpin(ExpertId expert);
  void set_capacity(Bytes capacity);
  void persist(Archive& a);
  [[nodiscard]] std::optional<ExpertId> next_victim(const MayGo& may_go) const;

 private:
  [[nodiscard]] bool enough_room(ExpertId expert, const MayGo& may_go) const;

  Bytes capacity_;
  Bytes peak_;
  int64_t resident_count_ = 0;
  std::vector<Bytes> expert_bytes_;
  std::vector<Residence> residence_;
  std::vector<int32_t> pins_;
  std::unique_ptr<EvictionPolicy> policy_;
  HbmSpace space_;
  bool compacts_;
  Admission admission_;
};

}  // namespace rdusim::runtime
