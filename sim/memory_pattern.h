// What a section asks of a memory, as a pattern of base/arch/memory_service.h, and the rate that the memory
// then moves bytes at.
//
// Streams of one tier take turns of a token each. A section of few large and many small streams counts as
// the number of equal streams that would be as mixed: (sum of bytes)^2 / sum of squares. Turns are the
// streams' runs of contiguous bytes, averaged by bytes.
//
// APPROX: one pattern a section. Streams that run one after the other count as concurrent.
#pragma once

#include <array>
#include <cstdint>

#include "base/arch/chip.h"
#include "base/program/program.h"

namespace rdusim::sim {

std::array<MemoryPattern, kTierCount> memory_patterns(const Program& program, const Section& section,
                                                      const Launch& launch);

// Of a socket's HBM and DDR, at most what the AGCU ports take; SRAM: 0.
std::array<int64_t, kTierCount> memory_rates(const Program& program, const Section& section,
                                             const Launch& launch, const ChipSpec& chip);

}  // namespace rdusim::sim
