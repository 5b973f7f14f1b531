// Values and depth of what the SIMD body does across vectors and lanes: reductions and scans, in the order of
// the hardware, so that rounding can be studied.
//
//   reduce  a row passes as vectors; each lane adds its own column (lane-wise), then the reduction tree adds
//           neighbours, log2(lanes) levels: (l0+l1)+(l2+l3) ...
//   scan    each vector through the same network as a Kogge-Stone prefix sum, plus the carry of the vector
//   before
//
// Empty lanes of a ragged last vector hold the operation's neutral element.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/arch/chip.h"
#include "base/program/firing_plan.h"

namespace rdusim::sim {

enum class ReduceOp : uint8_t { kSum, kMax };

// Levels of the tree over `lanes`: ceil(log2(lanes)).
int64_t reduction_levels(int64_t lanes);

// One row. 0 (sum) or -infinity (max) when it is empty.
float reduce_row(std::span<const float> row, int64_t lanes, ReduceOp op);

// Inclusive prefix sums of one row.
std::vector<float> scan_row(std::span<const float> row, int64_t lanes);

// The pass of a scan over `rows` rows of `cols` elements: a vector a cycle, each row a block whose every
// vector is a result; the network adds its levels, the carry one cycle. Rows do not share vectors or PCUs
// (the carry is serial).
Pass scan_pass(const PcuSpec& pcu, int64_t rows, int64_t cols, int64_t pcus);

}  // namespace rdusim::sim
