// The course of one launch of a placed and routed section, token by token: the judge between mappings.
//
// Units fire when their tokens and slots are there, keep their PCUs as long as their passes and the reading
// of their operands take, and hand on tokens at the rate and latency of their channel. The memory serves one
// stream after the other, by priority. What bounds alone cannot tell comes out of it: how long the pipeline
// fills, which stage holds up which, when a stream has to pause because its channel is full.
// Left out, alike for all mappings: what sockets exchange is there at once, but for its way through the AGCU
// ports; all symbols are in HBM; buffers that hand on columns (pmu_access.h) count as streaming.
#pragma once

#include <cstdint>
#include <vector>

#include "base/arch/chip.h"
#include "base/program/program.h"
#include "compiler/passes/section_work.h"

namespace rdusim::compiler {

// What units do and channels carry in a launch, whatever the places: it depends on the PCUs of each stage
// only.
struct LaunchWork {
  struct Firing {  // of a kind
    int64_t service_cycles = 1;
    int64_t latency_cycles = 0;
    int64_t result_cycles = 0;
    std::vector<int64_t> operand_bytes;  // by input
  };
  struct Tokens {  // of a size, in a row
    int64_t bytes = 0;
    int64_t count = 0;
  };
  std::vector<std::vector<Firing>> kinds;  // by unit
  std::vector<std::vector<uint32_t>>
      order;  // by unit: the kind of each firing; empty: no gemm, simd or buffer
  std::vector<std::vector<Tokens>> tokens;  // by channel
};

// `work` has been run on the section, which has its PCUs.
LaunchWork launch_work(const Section& section, const SectionWork& work, const ChipSpec& chip);

// Of a section that stops before its end, whose tokens wait for each other: the simulator says why. Thousandths
// of it are still counted in 64 bits.
inline constexpr int64_t kNeverEnds = int64_t{1} << 50;

// Cycles of a launch. `section` differs from that of `work` by PMUs, places and ways only.
int64_t launch_cycles(const Section& section, const LaunchWork& work, const ChipSpec& chip);

}  // namespace rdusim::compiler
