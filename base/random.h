// Seeded random numbers that repeat on any machine: SplitMix64 stream; no std:: distributions (their results
// are not specified).
#pragma once

#include <cstdint>

namespace rdusim {

__extension__ using Uint128 = unsigned __int128;  // for the 64x64 product

class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t next() {
    uint64_t z = (state_ += 0x9E3779B97F4A7C15ULL);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31);
  }
  double uniform() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }  // [0, 1)
  // [0, n); the bias of the multiply-shift is below n / 2^64.
  uint64_t below(uint64_t n) { return static_cast<uint64_t>((static_cast<Uint128>(next()) * n) >> 64); }

 private:
  uint64_t state_;
};

}  // namespace rdusim
