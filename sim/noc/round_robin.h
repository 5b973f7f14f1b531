// Round-robin choice over a bit mask of requests: the arbiter of every allocator in sim/noc. A pointer names
// the position with the highest priority; it moves behind the winner only when the win is used.
#pragma once

#include <cstdint>

namespace rdusim::sim::noc {

// Number of the lowest set bit; `mask` is not 0 (std::countr_zero would test for it).
constexpr unsigned lowest_bit(uint64_t mask) {
  return static_cast<unsigned>(__builtin_ctzll(mask));
}

// The first set bit at or after `pointer`, else the first of all. `mask` is not 0; `pointer` is below 64.
constexpr unsigned round_robin_pick(uint64_t mask, unsigned pointer) {
  const uint64_t at_or_after = mask & (~uint64_t{0} << pointer);
  return lowest_bit(at_or_after != 0 ? at_or_after : mask);
}

constexpr uint16_t round_robin_next(unsigned winner, unsigned size) {
  return static_cast<uint16_t>(winner + 1 == size ? 0 : winner + 1);
}

}  // namespace rdusim::sim::noc
