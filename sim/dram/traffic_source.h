// The order of bursts of a traffic pattern.
#pragma once

#include <cstdint>
#include <random>
#include <vector>

#include "sim/dram/traffic.h"

namespace rdusim::sim {

struct DramBurst {
  uint64_t address = 0;
  bool write = false;
};

// sequential: one stream from address 0. random: granules anywhere in the device. streams: bases anywhere.
// mix: three arrays that share the device evenly (assumed: the reference says three streams, not where they
// begin). Every pattern is a set of streams that take turns of a granule each; a random access is one stream
// whose turns begin anywhere.
class DramTrafficSource {
 public:
  DramTrafficSource(const DramSpec& spec, const DramTraffic& traffic);
  DramBurst next() {
    if (left_ == 0) next_turn();
    uint64_t& at = at_[stream_];
    const DramBurst burst{at, write_};
    at += burst_bytes_;
    if (at >= capacity_bytes_) at = 0;
    left_ -= burst_bytes_;
    return burst;
  }

 private:
  void next_turn();

  DramPattern pattern_;
  DramDirection direction_;
  uint64_t burst_bytes_;
  uint64_t capacity_bytes_;
  uint64_t granule_bytes_;
  std::mt19937_64 random_;    // fully specified by the standard; no distribution is used
  std::vector<uint64_t> at_;  // next address of each stream
  size_t stream_ = 0;
  int third_ = 2;      // turn, modulo three
  uint64_t left_ = 0;  // bytes of this turn
  bool write_ = false;
};

}  // namespace rdusim::sim
