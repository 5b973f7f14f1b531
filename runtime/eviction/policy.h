// Eviction policy: which resident expert gives way. Implementations: one file each; the list: eviction.def.
//
// The cache's calls, for a request that finds its expert, and for one that does not:
//
//   hit:   used(e)
//   miss:  missed(e, bytes), then until it fits { v = victim(may_go); evicted(v) }, then loaded(e, bytes)
//
// An expert that is pinned, runs or is being copied is one that `may_go` refuses; no policy names it. Every
// operation is O(1) or O(log experts), amortised, besides the refused experts that a victim search passes;
// none allocates after construction. Definitions and sources: docs/eviction.md.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "base/units.h"
#include "runtime/serving/archive.h"

namespace rdusim::runtime {

class EvictionPolicy {
 public:
  virtual ~EvictionPolicy() = default;
  // How much fits; at the start, and when the room for experts grows or shrinks. A policy that needs it (ARC,
  // S3-FIFO) takes the most bytes ever resident until it is told.
  virtual void resized(Bytes /*capacity*/) {}
  // The expert is asked for and not resident; before room is made for it. Policies that remember who left
  // (ARC, S3-FIFO) look it up here, or at loaded() where a caller leaves this out.
  virtual void missed(ExpertId /*expert*/, Bytes /*bytes*/) {}
  // The expert was loaded, used again while resident, or left.
  virtual void loaded(ExpertId expert, Bytes bytes) = 0;
  virtual void used(ExpertId expert) = 0;
  virtual void evicted(ExpertId expert) = 0;
  // The next to go among the resident experts that may go; absent when none may. The search takes back second
  // chances as it passes (CLOCK's hand), so ask only when somebody has to go.
  [[nodiscard]] virtual std::optional<ExpertId> victim(const std::function<bool(ExpertId)>& may_go) = 0;
  // All that the policy remembers, for a checkpoint.
  virtual void persist(Archive& a) = 0;
};

// What comes, for the offline bound.
class FutureUses {
 public:
  virtual ~FutureUses() = default;
  // Position of the expert's first use after the present one; absent: it is never used again.
  [[nodiscard]] virtual std::optional<int64_t> next_use(ExpertId expert) = 0;
};

struct EvictionChoice {
  std::string name;
  std::string description;
  bool offline = false;  // needs the future: a bound, not a policy to serve with
};
std::vector<EvictionChoice> eviction_policies();
// `experts`: how many ids there are. Capitals, '-' and '_' in the name do not count ("S3-FIFO" is s3fifo).
// `future` outlives the policy; offline policies fail without it. Fails on an unknown name, listing the known
// ones.
Result<std::unique_ptr<EvictionPolicy>> make_eviction_policy(std::string_view name, size_t experts,
                                                             FutureUses* future = nullptr);

}  // namespace rdusim::runtime
