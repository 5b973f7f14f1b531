// Eviction policy: which resident expert gives way. Implementations: one file each; the list: eviction.def.
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

namespace rdusim::runtime {

class EvictionPolicy {
 public:
  virtual ~EvictionPolicy() = default;
  // The expert was loaded, used again while resident, or left.
  virtual void loaded(ExpertId expert, Bytes bytes) = 0;
  virtual void used(ExpertId expert) = 0;
  virtual void evicted(ExpertId expert) = 0;
  // The next to go among the resident experts that may go; absent when none may.
  [[nodiscard]] virtual std::optional<ExpertId> victim(const std::function<bool(ExpertId)>& may_go) const = 0;
};

struct EvictionChoice {
  std::string name;
  std::string description;
};
std::vector<EvictionChoice> eviction_policies();
// `experts`: how many ids there are. Fails on an unknown name, listing the known ones.
Result<std::unique_ptr<EvictionPolicy>> make_eviction_policy(std::string_view name, size_t experts);

}  // namespace rdusim::runtime
