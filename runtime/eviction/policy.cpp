// The list of eviction policies.
#include "runtime/eviction/policy.h"

#include <fmt/format.h>

#include "base/io/document.h"

namespace rdusim::runtime {

#define POLICY(name, description) std::unique_ptr<EvictionPolicy> make_##name##_policy(size_t experts);
#include "runtime/eviction/eviction.def"
#undef POLICY

std::vector<EvictionChoice> eviction_policies() {
  return {
#define POLICY(name, description) {#name, description},
#include "runtime/eviction/eviction.def"
#undef POLICY
  };
}

Result<std::unique_ptr<EvictionPolicy>> make_eviction_policy(std::string_view name, size_t experts) {
#define POLICY(known, description) \
  if (name == #known) return make_##known##_policy(experts);
#include "runtime/eviction/eviction.def"
#undef POLICY
  std::vector<std::string> names;
  for (const EvictionChoice& choice : eviction_policies()) names.push_back(choice.name);
  const std::string near = nearest(name, names);
  return Error{ErrorCode::kNotFound, "eviction policy", fmt::format("unknown eviction policy '{}'", name),
               fmt::format("{}known: {}", near.empty() ? "" : fmt::format("did you mean '{}'? ", near),
                           fmt::join(names, ", "))};
}

}  // namespace rdusim::runtime
