// Service time: how many cycles one firing occupies its unit. One definition for the compiler's allocation,
// the analytic model and the event engine. Inputs are extents only, so a result can be memoised while extents
// repeat.
//
// A gemm or simd unit is `pcus` PCUs of `stages` rows x `lanes` columns that work in lock step:
//   mac    output-stationary array: ceil(m/stages) * ceil(n/lanes) output tiles (or with m and n swapped,
//   whichever
//          is fewer), K cycles each, spread over the PCUs; PCUs beyond one a tile split K (the partial sums
//          are added on their way out). When m or n is smaller than `stages` (gemv), the SIMD form may be
//          faster: K in the lanes and the reduction tree, stages * pcus dot products at a time.
//   vector a PCU is a pipeline of `stages` vector stages: operations are chained in groups of `stages`, each
//   group
//          passes its widest operand once, lanes * pcus elements a cycle (maps, reductions, cross-lane
//          operations).
//   tail   transcendental results at tail_elements_per_cycle * pcus, pipelined with the body.
//   gemm = max(mac, vector, tail)   (the epilogue follows the drain); simd = max(mac + vector, tail)
// Layout operations are done by the PMUs' alignment units on the way and cost nothing here. A buffer unit
// moves bytes: max(written, read) at pmus * port_bytes_per_cycle; of an accumulator it charges the new tokens
// only. Filling and draining the pipeline delays a token (latency) but overlaps the next firing, so it is not
// service.
//
// Operands are limited where they cross the RDN (Channel::links), not here.
// APPROX: ragged vectors (rows shorter than the lanes) pack without loss, and reductions do not break a
// chain. Each makes small tiles look up to ceil(lanes/cols) times faster. A token that is held for several
// firings crosses once; a systolic array would fetch it again for each, at a rate that the same links carry.
// APPROX: re-reading a grown accumulator is charged to its consumer only. Source of the PCU and PMU shapes:
// configs/chips; array and tail as in the published chip description.
#pragma once

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

// Cycles of one firing of a gemm or simd unit, at least 1.
int64_t compute_service(const Unit& unit, const PcuSpec& pcu, const std::vector<bool>& needed,
                        std::span<const Extent> registers);

// Cycles that a buffer (or an exchange's landing buffer) of `pmus` PMUs needs for the bytes, at least 1.
int64_t buffer_service(const PmuSpec& pmu, int64_t pmus, int64_t written_bytes, int64_t read_bytes);

// What a body's operations depend on besides extents: lowest common multiple of the periods of its by-firing
// slices.
int64_t slice_period(const Unit& unit);

// Whole-chip conversions, in integers.
int64_t cycles_of_seconds(double seconds, double clock_hz);  // rounded to nearest

}  // namespace rdusim
