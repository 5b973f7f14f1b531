// What one launch of a section did, from when the launch was complete: the counters that accounting adds up.
// Both executors of the event fidelity and the closed form fill it.
#pragma once

#include <cstdint>
#include <vector>

#include "sim/firing_cost.h"

namespace rdusim::sim {

struct UnitCounters {
  int64_t firings = 0;
  int64_t busy = 0;
  int64_t starved = 0;  // waiting for an input token, or for the memory channel's turn
  int64_t blocked = 0;  // waiting for space downstream
  int64_t ahead = 0;    // busy during the head start; how it waited there is the launch's
  FiringWork work;
};

struct SectionOutcome {
  int64_t cycles = 0;
  int64_t firings_simulated = 0;                    // one by one
  int64_t firings_skipped = 0;                      // in periods that repeat
  std::vector<std::vector<UnitCounters>> counters;  // [socket][unit]
  std::vector<ByteCounts> bytes;                    // [socket]
  std::vector<CauseCounts> rdn_byte_hops;           // [socket]
  FlitCounts flits;                                 // cycle fidelity, socket 0
  int64_t hbm_busy_cycles = 0;                      // of socket 0's shared resources, head start included
  int64_t ddr_busy_cycles = 0;
  int64_t link_busy_cycles = 0;
};

// The outcome of so many equal iterations of a section as that of more, which take `cycles` together: every
// counter grows by their ratio. Only the first of them has a head start.
void extend(SectionOutcome& outcome, int64_t iterations, int64_t to_iterations, int64_t cycles);

// Takes the streams' work in the head start of the launch out of the busy cycles of the memories.
void leave_out_head_start(const Program& program, const Launch& launch, SectionOutcome& outcome);

// Why each of the section's channels moves its tokens: what its producer does.
std::vector<Cause> channel_causes(const Section& section);

// Who goes first when requests are equal in all else: rank of each unit by its name, which does not depend on
// the order in which a section was put together.
std::vector<int64_t> turn_ranks(const Section& section);

// Hops of a channel's way, and of the part from where its tokens lie to their consumer. APPROX: half of it,
// where PMUs lie between; the compiler places them near their reader.
int64_t channel_hops(const Channel& channel, const RdnSpec& rdn);
int64_t read_hops(const Channel& channel, const RdnSpec& rdn);

// Counters of the bytes that have passed the channels of one socket, `written` by channel. A channel's
// tokens are written to the PMUs that hold them (its own, or those of a buffer unit that reads it); memory
// and exchange units read each once (gemm and simd units count what they read themselves).
// Adds a socket's row to outcome.rdn_byte_hops; its rows of counters and bytes are the last.
void count_channel_bytes(const Section& section, const ChipSpec& chip, const std::vector<int64_t>& written,
                         const std::vector<Cause>& causes, SectionOutcome& outcome);

}  // namespace rdusim::sim
