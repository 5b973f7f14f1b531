// How a firing lies on its PCUs: the body's operations grouped into passes, and what each pass costs, in
// closed form. The cycle-level PCU (sim/pcu/pcu_model.h) steps the same plan vector by vector.
//
// A pass is one trip of operand vectors through header, body and tail:
//
//   header ──► body: `stages` stages of `lanes` lanes ──► tail (transcendental, convert) ──► results
//    counters   systolic array, or a vector operation a stage ─► reduction tree
//
//   systolic  an output tile stays in the array; the header issues K operand steps, then the tile's rows are
//   shifted
//             out through the tail, a vector a cycle, while the next tile's operands follow (accumulators are
//             doubled)
//   simd      up to `stages` operations on the vectors as they pass. A pass ends where the next operation
//   needs what
//             has already left the stages: a finished reduction beside the elements it came from, a result of
//             the tail, or a result that the PMU's alignment unit rearranges. Operations on a reduction's
//             results alone follow it downstream in the same pass. Indices come from the header's counters
//             and cost no stage.
//
// Vectors of a simd pass: packed without gaps when every element is treated alike; one row a vector (or one
// column, whichever needs fewer) when rows matter. So rows shorter than the lanes leave lanes empty.
// The PCUs of a unit share a pass's vectors evenly; a reduced row that lies on several is joined in one more
// trip through a PCU. Where tiles do not divide evenly over the PCUs, K is cut into parts
// that do, one after the other, and the partial sums of a tile are added pairwise (the idea of Stream-K,
// Osama et al., PPoPP 2023, with equal parts, so that all PCUs stay in step).
//
// APPROX: a unit's PCUs change from pass to pass at no cost; a static configuration needs a PCU a pass.
// Registers are counted as 16-bit lanes whatever their format. Operands reach a PCU at a vector a cycle and
// port, and a vector product unit (gemv) reads each weight once, so at most one weight vector a cycle.
// Sources: body, tail and tree as in the published description (Prabhakar et al., MICRO 2024, Sec. IV-A);
// sizes from configs/chips. assumed: the reduction tree is beside the stages, one level a cycle.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/arch/chip.h"
#include "base/program/program.h"
#include "base/program/tile.h"

namespace rdusim {

struct Pass {
  bool systolic = false;
  int64_t steps = 0;        // operand vectors that one PCU's header issues, one a cycle
  int64_t block_steps = 1;  // steps between two done events: of a tile, of a reduced row; 1 for maps
  int64_t block_results =
      1;  // result vectors at each done event; above 1 only where all blocks are equally long
  int64_t min_block_cycles = 1;  // a block takes at least this long to leave (drain, tail)
  int64_t latency_cycles = 0;    // from the end of a block's last step to its last result
  int32_t after = -1;            // the pass whose last result the first step waits for; -1: none

  // Cycles of the header from the pass's first step to the earliest first step of another.
  [[nodiscard]] int64_t occupancy_cycles() const;
  // Cycles from the first step to the last result, if nothing holds it up.
  [[nodiscard]] int64_t lone_cycles() const;
  // Cycles from the first block's result to the last one's.
  [[nodiscard]] int64_t result_cycles() const;
};

struct FiringPlan {
  std::vector<Pass> passes;
  // Cycles that a firing keeps its PCUs from others: the sum of the passes' occupancies, at least 1.
  [[nodiscard]] int64_t service_cycles() const;
  // Cycles from the first operand to the last result of a firing that has the PCUs for itself.
  [[nodiscard]] int64_t lone_cycles() const;
};

// The pass of one product on `pcus` PCUs: the systolic array in the orientation with fewer tiles, or K in the
// lanes and the reduction tree, whichever is faster. No steps when the product is empty.
Pass matmul_pass(const PcuSpec& pcu, const TileOp& op, const TileWork& work, int64_t pcus);

// The plan of a gemm or simd unit's firing; `registers` as firing_extents leaves them. Replaces `plan`.
void plan_firing(const Unit& unit, const PcuSpec& pcu, const std::vector<bool>& needed,
                 std::span<const Extent> registers, FiringPlan& plan);

}  // namespace rdusim
