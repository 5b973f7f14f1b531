// Closed-loop traffic for a DRAM device, and what came of it.
//
// A source keeps at most `window_bytes` of bursts outstanding a channel. It makes bursts in the pattern's
// order, puts each into the in-order queue of its channel (a full one stops the source), and offers the head
// of each queue to its controller. It reacts in the tick after a completion. Bandwidth counts from the tick
// when 20 % of the bursts were done to the tick when the last one was made, so that filling and draining do
// not show.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/arch/dram.h"
#include "base/result.h"
#include "sim/dram/controller.h"

namespace rdusim::sim {

enum class DramPattern : uint8_t { kSequential, kRandom, kStreams, kMix };
// kShare: of pattern streams; readers and writers, one of each at least, take their turns apart.
enum class DramDirection : uint8_t { kRead, kWrite, kTwoReadsOneWrite, kShare };

struct DramTraffic {
  DramPattern pattern = DramPattern::kSequential;
  DramDirection direction = DramDirection::kRead;
  int64_t granule_bytes = 64;  // of one random access, or of one stream's turn
  int64_t streams = 16;
  double write_share = 0;  // of the turns (kShare)
  int64_t bursts = 60'000;
  int64_t window_bytes = 16'384;  // outstanding, a channel
  int64_t source_queue = 256;     // bursts, a channel
  uint64_t seed = 12'345;
};

struct DramResult {
  int64_t ticks = 0;  // to the last completion
  int64_t measured_bytes = 0;
  int64_t measured_ticks = 0;
  int64_t bursts_done = 0;
  double bandwidth_bytes_per_s = 0;
  double fraction_of_peak = 0;
  // Reads, from the tick in which the source makes them to the last of their data.
  double latency_ns = 0;
  double latency_p50_ns = 0;
  double latency_p99_ns = 0;
  double controller_latency_ns = 0;  // mean, from acceptance by the controller
  DramStats stats;                   // sums of all channels
  // Shares of the whole run's ticks, means over what they name.
  double data_bus_share = 0;         // pseudo channels' data buses busy
  double activate_window_share = 0;  // activates x tFAW / 4, a refresh domain
  double refresh_share = 0;       // time inside tRFC, a refresh domain (tRFC of one bank / banks, per bank)
  double busiest_bank_share = 0;  // activates of one bank x tRC, the largest
  std::string bound_by;           // data_bus, activate_window, bank_conflicts, turnaround or window
};

// Errors: a window below one burst, granules that are no multiple of a burst, nothing to do.
Result<DramResult> run_dram_traffic(const DramSpec& spec, const DramTraffic& traffic);

}  // namespace rdusim::sim
