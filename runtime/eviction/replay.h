// Replays an access trace against a cache of a given size under a policy: counts only, no time. An expert
// must be loaded to run, so every miss loads; none is bypassed. Conservation: requests = hits + misses; the
// bytes in the cache never exceed its capacity.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/units.h"
#include "runtime/eviction/access_trace.h"

namespace rdusim::runtime {

struct ReplayResult {
  std::string policy;
  Bytes capacity;
  int64_t requests = 0;
  int64_t hits = 0;
  int64_t misses = 0;
  int64_t evictions = 0;
  Bytes bytes_requested;
  Bytes bytes_missed;
  Bytes most_bytes_resident;

  [[nodiscard]] double miss_ratio() const {
    return static_cast<double>(misses) / static_cast<double>(requests);
  }
  [[nodiscard]] double byte_miss_ratio() const {
    return static_cast<double>(bytes_missed.value) / static_cast<double>(bytes_requested.value);
  }
};

// Fails on an unknown policy, and when an expert of the trace is larger than the cache.
Result<ReplayResult> replay(const AccessTrace& trace, std::string_view policy, Bytes capacity);

}  // namespace rdusim::runtime
