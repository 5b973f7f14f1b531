#include "sim/agcu/coalescer.h"

#include <algorithm>

#include "base/check.h"

namespace rdusim::sim::agcu {

Coalescer::Coalescer(const CoalescerSpec& spec)
    : spec_(spec), open_(static_cast<size_t>(spec.window_bursts), -1) {
  RDU_CHECK(spec.burst_bytes > 0 && spec.window_bursts > 0, "coalescer of {} bursts of {} bytes",
            spec.window_bursts, spec.burst_bytes);
}

void Coalescer::access(int64_t address, int64_t bytes, std::vector<int64_t>& bursts) {
  RDU_CHECK(address >= 0 && bytes > 0, "access of {} bytes at {}", bytes, address);
  ++accesses_;
  useful_bytes_ += bytes;
  const int64_t last = (address + bytes - 1) / spec_.burst_bytes;
  for (int64_t burst = address / spec_.burst_bytes; burst <= last; ++burst) {
    if (std::find(open_.begin(), open_.end(), burst) != open_.end()) continue;
    open_[next_] = burst;
    next_ = (next_ + 1) % open_.size();
    ++bursts_;
    bursts.push_back(burst * spec_.burst_bytes);
  }
}

std::vector<int64_t> gather_bursts(const CoalescerSpec& spec, int64_t base, int64_t element_bytes,
                                   int64_t stride_bytes, const std::vector<int64_t>& indices) {
  Coalescer coalescer(spec);
  std::vector<int64_t> bursts;
  for (const int64_t index : indices) coalescer.access(base + index * stride_bytes, element_bytes, bursts);
  return bursts;
}

}  // namespace rdusim::sim::agcu
