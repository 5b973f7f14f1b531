// One tier's memory behind the AGCUs: DRAM channels by command (sim/dram/controller.h), reached over the
// top-level network.
//
//   request (address, bytes) ─ half the path ─► its bursts, each in the queue of its channel ─► DRAM commands
//   completion ◄─ the other half ────────────── when the last of them is done
//
// The path takes what the chip file's latency leaves beside an idle DRAM access. So nothing that the AGCUs do
// can reach a channel sooner than half of it, and channels run ahead in steps of that length without seeing
// each other.
// Requests lie within one block of the address interleave; bursts that the request before has opened are not
// asked for again (agcu/coalescer.h with a window of one).
// assumed: the AGCUs have asked for twice the bytes that hide the latency at the device's peak (Little's
// law). Once is too few: channels are never loaded alike, and a tenth of the bandwidth is lost. More wait in
// queues where no priority reaches them, and hold up the stream whose turn is next. Nothing is published.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/arch/dram.h"
#include "base/arch/dram_mapping.h"
#include "base/result.h"
#include "sim/dram/controller.h"

namespace rdusim::sim::cycle {

inline constexpr int64_t kWindowLatencies = 2;

class MemoryPath {
 public:
  // `latency_cycles`: first byte of an idle channel, seen by the AGCU.
  static Result<std::unique_ptr<MemoryPath>> make(const DramSpec& spec, int64_t clock_hz,
                                                  int64_t latency_cycles);

  struct Completion {
    int64_t cycle = 0;  // at the AGCU
    uint32_t tag = 0;
    bool write = false;
  };
  void request(uint64_t address, int64_t bytes, bool write, uint32_t tag, int64_t cycle);
  // Everything in the channels that can be known at `cycle`: completions of the next `step_cycles`.
  void advance(int64_t cycle);
  [[nodiscard]] int64_t step_cycles() const { return half_path_; }
  std::vector<Completion> completions;  // the caller clears them

  // Bytes that may be under way.
  [[nodiscard]] int64_t window_bytes() const { return window_bytes_; }
  [[nodiscard]] bool idle() const { return open_ == 0; }
  [[nodiscard]] int64_t bursts() const { return bursts_; }
  // Cycles in which the data buses moved bursts, on average over them.
  [[nodiscard]] int64_t busy_cycles() const;

 private:
  struct Waiting {
    DramLocation location;
    int64_t arrival = 0;  // tick
    uint32_t slot = 0;
    bool write = false;
  };
  struct Channel {
    std::unique_ptr<DramController> controller;
    Ring<Waiting> queue;
    int64_t tick = 0;  // done up to here
  };
  struct Request {
    int64_t left = 0;  // bursts
    int64_t last_tick = 0;
    uint32_t tag = 0;
    bool write = false;
  };

  MemoryPath(const DramSpec& spec, const DramMapping& mapping, int64_t clock_hz);
  [[nodiscard]] int64_t tick_of(int64_t cycle) const;
  [[nodiscard]] int64_t cycle_of(int64_t tick) const;
  void run(Channel& channel, int64_t until);
  void take_completions(Channel& channel);

  const DramSpec spec_;
  DramAddressMap map_;
  std::vector<Channel> channels_;
  std::vector<Request> requests_;
  std::vector<uint32_t> free_;
  int64_t window_bytes_ = 0;
  int64_t cycle_fs_ = 0;
  int64_t tick_fs_ = 0;
  int64_t half_path_ = 1;
  int64_t other_half_ = 1;
  int64_t open_ = 0;  // requests
  int64_t bursts_ = 0;
  uint64_t last_burst_[2] = {UINT64_MAX, UINT64_MAX};  // [read, write]
};

}  // namespace rdusim::sim::cycle
