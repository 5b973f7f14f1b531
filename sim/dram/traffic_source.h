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
// whose turns begin anywhere. With a write share, readers and writers take turns among themselves, and the
// write turns lie evenly between the read turns.
class DramTrafficSource {
 public:
  DramTrafficSource(const DramSpec& spec, const DramTraffic& traffic);
  DramBurst next() {
    if (left_ == 0) next_turn();
    uint64_t& at = at_[turn_];
    const DramBurst burst{at, write_};
    at += burst_bytes_;
    if (at >= capacity_bytes_) at = 0;
    left_ -= burst_bytes_;
    return burst;
  }

 private:
  void next_turn();
  void next_share_turn();

  static constexpr int64_t kWhole = 1 << 20;

  DramPattern pattern_;
  DramDirection direction_;
  uint64_t burst_bytes_;
  uint64_t capacity_bytes_;
  uint64_t granule_bytes_;
  std::mt19937_64 random_;    // fully specified by the standard; no distribution is used
  std::vector<uint64_t> at_;  // next address of each stream
  size_t stream_ = 0;
  size_t turn_ = 0;  // the stream whose turn it is
  // kShare: streams below readers_ read; the write turns that are due so far, in parts of kWhole
  size_t readers_ = 0;
  size_t writer_ = 0;
  int64_t write_part_ = 0;
  int64_t due_ = 0;
  int third_ = 2;      // turn, modulo three
  uint64_t left_ = 0;  // bytes of this turn
  bool write_ = false;
};

}  // namespace rdusim::sim
