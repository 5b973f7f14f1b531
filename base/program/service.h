// Service time: how many cycles one firing occupies its unit. One definition for the compiler's allocation,
// the analytic model and the event engine. Inputs are extents only, so a result can be memoised while extents
// repeat.
//
// A gemm or simd unit is `pcus` PCUs of `stages` rows x `lanes` columns that work in lock step: what its
// firing costs is the closed form of its passes (firing_plan.h), which the cycle-level PCU proves by stepping
// them. Layout operations are done by the PMUs' alignment units on the way and cost no PCU cycles; they end a
// pass.
//   service  cycles that a firing keeps the PCUs from the next one
//   latency  cycles from there to the firing's last result: filling, draining, waiting for reductions. The
//   next
//            firing's operands fill these cycles, so they delay a token and cost no rate.
// A buffer unit moves tokens through its PMUs' ports: pmu_access.h; of an accumulator it charges the new
// tokens only.
//
// What it takes to read a firing's operands, the tokens that it holds included, is in operand_reads.h.
// Source of the PCU and PMU shapes: configs/chips; array and tail as in the published chip description.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "base/arch/chip.h"
#include "base/program/program.h"
#include "base/program/tile.h"

namespace rdusim {

// Cycles of one product on `pcus` PCUs.
int64_t matmul_cycles(const PcuSpec& pcu, const TileOp& op, const TileWork& work, int64_t pcus);

// Extents of all registers of a firing: `registers` starts with the inputs' (absent: rows = -1) and is filled
// for the needed operations. Fails when shapes do not fit, or a needed input is absent.
Status firing_extents(const Unit& unit, const std::vector<bool>& needed, int64_t firing,
                      std::vector<Extent>& registers);

struct FiringCycles {
  int64_t service_cycles = 1;
  int64_t latency_cycles = 0;
  int64_t operand_cycles = 0;  // in which its operands are read, beside the service (operand_reads.h)
  int64_t result_cycles = 0;   // from its first result to its last
  // Cycles that it keeps its unit from the next firing.
  [[nodiscard]] int64_t occupancy_cycles() const { return std::max(service_cycles, operand_cycles); }
};
// Of one firing of a gemm or simd unit, without operand_cycles.
FiringCycles compute_cycles(const Unit& unit, const PcuSpec& pcu, const std::vector<bool>& needed,
                            std::span<const Extent> registers);

// The service alone, at least 1.
int64_t compute_service(const Unit& unit, const PcuSpec& pcu, const std::vector<bool>& needed,
                        std::span<const Extent> registers);

// What a body's operations depend on besides extents: lowest common multiple of the periods of its by-firing
// slices.
int64_t slice_period(const Unit& unit);

// Whole-chip conversions, in integers.
int64_t cycles_of_seconds(double seconds, double clock_hz);  // rounded to nearest

}  // namespace rdusim
