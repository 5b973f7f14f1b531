// ServiceClock: when a resource that serves requests one after another at a fixed rate starts and finishes
// each. Time inside is in 2^-20 cycles; what is left of such a step is carried to the next request of the
// same busy period, so a rate that is no whole number of bytes a cycle loses nothing. A resource that has
// been idle starts at a whole cycle and owes nothing: so its state repeats when its requests do.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "base/random.h"

namespace rdusim::sim {

inline constexpr int kSubcycleBits = 20;
constexpr int64_t ceil_cycle(int64_t sub) {
  return (sub + (int64_t{1} << kSubcycleBits) - 1) >> kSubcycleBits;
}

class ServiceClock {
 public:
  // Rate as a fraction, so that no rounding accumulates. Call while idle.
  void configure(int64_t bytes_per_s, int64_t clock_hz) {
    bytes_per_s_ = std::max<int64_t>(1, bytes_per_s);
    clock_hz_ = clock_hz;
    costs_.fill({});
    carry_ = 0;
  }
  void reset() {
    carry_ = 0;
    busy_sub_ = 0;
  }

  struct Span {
    int64_t start_sub;
    int64_t finish_sub;
  };
  Span serve(int64_t arrival_cycle, int64_t bytes) {
    int64_t start = arrival_cycle << kSubcycleBits;
    if (start > free_sub_) {
      carry_ = 0;
    } else {
      start = free_sub_;
    }
    const int64_t cost = cost_sub(bytes);
    free_sub_ = start + cost;
    busy_sub_ += cost;
    return {start, free_sub_};
  }

  [[nodiscard]] int64_t free_cycle() const { return free_sub_ >> kSubcycleBits; }
  [[nodiscard]] int64_t busy_cycles() const { return ceil_cycle(busy_sub_); }

  // State that decides the future, for requests that arrive in cycle `from` or later; and the statistics.
  template <typename Walk>
  void walk(Walk& state, int64_t from) {
    const int64_t from_sub = from << kSubcycleBits;
    const bool idle = free_sub_ < from_sub;
    state.require(idle || !state.untouched());  // time passes for it too
    state.same(idle ? 0 : carry_);
    state.scaled_stamp(free_sub_, from_sub, kSubcycleBits);
    state.count(busy_sub_);
  }

 private:
  struct Cost {
    int64_t bytes = -1;
    int64_t sub = 0;
    int64_t remainder = 0;  // of a subcycle, in 1 / bytes_per_s_
  };

  int64_t cost_sub(int64_t bytes) {
    // Streams repeat their sizes: a few are kept. The multiplier spreads multiples of a burst.
    Cost& cost = costs_[(static_cast<uint64_t>(bytes) * 0x9E3779B97F4A7C15ULL) >> 60];
    if (cost.bytes != bytes) {
      const auto rate = static_cast<Uint128>(bytes_per_s_);
      const Uint128 scaled = (static_cast<Uint128>(bytes) * static_cast<Uint128>(clock_hz_)) << kSubcycleBits;
      cost = {bytes, static_cast<int64_t>(scaled / rate), static_cast<int64_t>(scaled % rate)};
    }
    carry_ += cost.remainder;
    if (carry_ < bytes_per_s_) return cost.sub;
    carry_ -= bytes_per_s_;
    return cost.sub + 1;
  }

  int64_t bytes_per_s_ = 1;
  int64_t clock_hz_ = 1;
  std::array<Cost, 16> costs_{};
  int64_t free_sub_ = 0;
  int64_t carry_ = 0;
  int64_t busy_sub_ = 0;
};

}  // namespace rdusim::sim
