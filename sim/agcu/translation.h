// Address translation in the AGCU: virtual addresses of a program to physical ones of HBM, DDR or a peer
// socket. Symbols are placed in segments; a segment lookaside buffer (SLB) holds the last used ones, a miss
// walks a table in memory. Source: Hot Chips 2024 names a segment lookaside buffer; sizes and costs are
// assumed: 32 entries (a decoder layer streams about ten weight and cache symbols), a hit within the address
// pipeline, a miss one access to HBM.
#pragma once

#include <cstdint>
#include <vector>

#include "base/result.h"

namespace rdusim::sim::agcu {

struct Segment {
  int64_t virtual_base = 0;
  int64_t bytes = 0;
  int64_t physical_base = 0;
};

struct TranslationSpec {
  int64_t entries = 32;  // 0: flat, virtual = physical, no cost
  int64_t hit_cycles = 1;
  int64_t miss_cycles = 240;  // 150 ns at 1.6 GHz, the latency of HBM in configs/chips/sn40l.yaml
};

class Translation {
 public:
  // Segments that overlap, are empty or negative are errors.
  static Result<Translation> make(const TranslationSpec& spec, std::vector<Segment> segments);

  struct Translated {
    int64_t physical = 0;
    int64_t cycles = 0;
    bool hit = true;
  };
  // Fails when no segment holds all of [address, address + bytes).
  Result<Translated> translate(int64_t address, int64_t bytes);

  [[nodiscard]] int64_t hits() const { return hits_; }
  [[nodiscard]] int64_t misses() const { return misses_; }

 private:
  Translation(const TranslationSpec& spec, std::vector<Segment> segments)
      : spec_(spec), segments_(std::move(segments)) {}

  TranslationSpec spec_;
  std::vector<Segment> segments_;  // by virtual base
  std::vector<size_t> resident_;   // least recently used first
  int64_t hits_ = 0;
  int64_t misses_ = 0;
};

}  // namespace rdusim::sim::agcu
