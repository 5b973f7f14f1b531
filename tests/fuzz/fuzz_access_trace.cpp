// The reader of access traces; what it takes replays under LRU and SIEVE with counts that add up.
// fuzz-libraries: rdusim_runtime
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "runtime/eviction/replay.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto trace = rdusim::runtime::parse_access_trace({reinterpret_cast<const char*>(data), size}, "fuzz");
  if (!trace.ok()) return 0;
  rdusim::Bytes largest;
  for (const rdusim::Bytes bytes : trace->bytes) largest = bytes > largest ? bytes : largest;
  for (const char* policy : {"lru", "sieve"}) {
    const auto result = rdusim::runtime::replay(*trace, policy, largest);
    RDU_CHECK(result.ok() && result->hits + result->misses == result->requests, "{}", policy);
  }
  return 0;
}
