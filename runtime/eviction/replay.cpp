// Replay of access traces.
#include "runtime/eviction/replay.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"

namespace rdusim::runtime {
namespace {

Status check_fits(const AccessTrace& trace, Bytes capacity) {
  const auto largest = std::max_element(trace.bytes.begin(), trace.bytes.end());
  if (largest == trace.bytes.end() || *largest <= capacity) return {};
  const auto index = static_cast<size_t>(largest - trace.bytes.begin());
  const std::string name = trace.objects.empty() ? fmt::to_string(index) : trace.objects[index];
  return Error{
      ErrorCode::kCapacity, trace.name,
      fmt::format("object {} of {} B does not fit a cache of {} B", name, largest->value, capacity.value),
      fmt::format("an expert must be loaded to run: take at least {} B", largest->value)};
}

}  // namespace

Result<ReplayResult> replay(const AccessTrace& trace, std::string_view policy_name, Bytes capacity) {
  RDU_CHECK_OK(check_fits(trace, capacity));
  TraceFuture future(trace);
  RDU_ASSIGN(const auto policy, make_eviction_policy(policy_name, trace.bytes.size(), &future));
  policy->resized(capacity);
  std::vector<uint8_t> resident(trace.bytes.size(), 0);
  const std::function<bool(ExpertId)> all_may_go = [](ExpertId) { return true; };
  ReplayResult result;
  result.policy = policy_name;
  result.capacity = capacity;
  Bytes used;
  for (const ExpertId expert : trace.accesses) {
    future.advance();
    const Bytes bytes = trace.bytes[expert.value];
    ++result.requests;
    result.bytes_requested += bytes;
    if (resident[expert.value] != 0) {
      ++result.hits;
      policy->used(expert);
      continue;
    }
    ++result.misses;
    result.bytes_missed += bytes;
    policy->missed(expert, bytes);
    while (used + bytes > capacity) {
      const auto victim = policy->victim(all_may_go);
      RDU_CHECK(victim && resident[victim->value] != 0, "{} names nobody who is resident", policy_name);
      policy->evicted(*victim);
      resident[victim->value] = 0;
      used -= trace.bytes[victim->value];
      ++result.evictions;
    }
    resident[expert.value] = 1;
    used += bytes;
    result.most_bytes_resident = std::max(result.most_bytes_resident, used);
    policy->loaded(expert, bytes);
  }
  return result;
}

}  // namespace rdusim::runtime
