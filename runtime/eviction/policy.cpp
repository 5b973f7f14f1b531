// The list of eviction policies.
#include "runtime/eviction/policy.h"

#include <fmt/format.h>

#include "base/io/document.h"

namespace rdusim::runtime {

#define POLICY(name, description) std::unique_ptr<EvictionPolicy> make_##name##_policy(size_t experts);
#define OFFLINE_POLICY(name, description) \
  std::unique_ptr<EvictionPolicy> make_##name##_policy(size_t experts, FutureUses& future);
#include "runtime/eviction/eviction.def"
#undef POLICY
#undef OFFLINE_POLICY

namespace {

// Small letters and digits only.
std::string plain(std::string_view name) {
  std::string text;
  for (const char c : name) {
    if (c == '-' || c == '_') continue;
    text += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return text;
}

}  // namespace

std::vector<EvictionChoice> eviction_policies() {
  return {
#define POLICY(name, description) {#name, description, false},
#define OFFLINE_POLICY(name, description) {#name, description, true},
#include "runtime/eviction/eviction.def"
#undef POLICY
#undef OFFLINE_POLICY
  };
}

Result<std::unique_ptr<EvictionPolicy>> make_eviction_policy(std::string_view name, size_t experts,
                                                             FutureUses* future) {
  const std::string chosen = plain(name);
#define POLICY(known, description) \
  if (chosen == #known) return make_##known##_policy(experts);
#define OFFLINE_POLICY(known, description) \
  if (chosen == #known && future != nullptr) return make_##known##_policy(experts, *future);
#include "runtime/eviction/eviction.def"
#undef POLICY
#undef OFFLINE_POLICY
  std::vector<std::string> names;
  for (const EvictionChoice& choice : eviction_policies()) {
    if (choice.name == chosen) {
      return Error{ErrorCode::kUnsupported, "eviction policy",
                   fmt::format("{} needs the future", choice.name),
                   "it bounds the others offline: rdusim cache replay"};
    }
    names.push_back(choice.name);
  }
  const std::string near = nearest(chosen, names);
  return Error{ErrorCode::kNotFound, "eviction policy", fmt::format("unknown eviction policy '{}'", name),
               fmt::format("{}known: {}", near.empty() ? "" : fmt::format("did you mean '{}'? ", near),
                           fmt::join(names, ", "))};
}

}  // namespace rdusim::runtime
