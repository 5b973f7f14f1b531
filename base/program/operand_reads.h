// Operand reads: what it costs a gemm or simd unit to have the values of its tokens for a firing. One rule
// for the compiler's allocation, analytic, event and cycle.
//
//   producer ─► PMUs of the channel (or of the buffer that made the token) ─► PCUs
//               written once                                  read for every firing
//
// A PCU keeps no operand from one firing to the next: its stages hold an output tile's partial sums, its
// broadcast buffer the few vectors of the step at hand. So a token that is held for several firings is read
// from its PMUs again for each that needs its values, just as one that was just taken; of a token that the
// body only slices, the slice. Each PMU of the token gives a vector a cycle, as far as the way to the PCUs
// lets it through (Channel::read_permille); the firing takes as long as its slowest operand, if that is
// longer than its passes. PCUs that need the same vectors get them by multicast. Tokens of channels without
// PMUs wait in the consumer's input FIFOs and cost nothing more. Source: output-stationary body, broadcast
// buffer and PMU ports as in the published description (Prabhakar et al., MICRO 2024, Sec. IV-A and IV-B);
// the cycle-level engine (sim/cycle) reads vector by vector.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/arch/chip.h"
#include "base/program/program.h"
#include "base/program/tile.h"

namespace rdusim {

// What the vectors carry in which a buffer's tokens leave it (pmu_access.h): of so many bytes that pass the
// ports, so many are the token's. 1 of 1: full vectors.
struct VectorShare {
  int64_t payload_bytes = 1;
  int64_t port_bytes = 1;
};
VectorShare vector_share(const Section& section, const Unit& buffer, const OutputPort& port,
                         ChannelId channel, const PmuSpec& pmu);

// By channel: bytes a cycle at which its consumer reads tokens for a firing; 0: reading never limits (no PMUs
// hold them, they do not cross the RDN, or the consumer is no gemm or simd unit).
std::vector<int64_t> operand_rates(const Section& section, const ChipSpec& chip);

// Bytes a cycle at which the channel's tokens leave their producer, 0: at once. What a buffer hands to a gemm
// or simd unit stays where it is until that reads it. `operand_rate` as above.
int64_t write_rate(const Channel& channel, int64_t operand_rate, const ChipSpec& chip);

// Elements of the token at input port `input` that a firing reads; 0 if it needs none. `registers` as
// firing_extents leaves them.
int64_t operand_elements(const Unit& unit, const std::vector<bool>& needed, std::span<const Extent> registers,
                         size_t input);

// Cycles in which all operands of a firing of a gemm or simd unit can be read. `rates` by channel.
int64_t operand_cycles(const Section& section, const Unit& unit, const std::vector<bool>& needed,
                       std::span<const Extent> registers, std::span<const int64_t> rates);

}  // namespace rdusim
