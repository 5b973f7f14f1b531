// The selective scan of a state-space model over the rows of a tile (kScan, kScanSummary), d channels with n
// states each:
//
//   s_t = exp(step_t A) s_{t-1} + step_t x_t B_t        y_t = sum over states of C_t s_t
//
// Operands: [m,2d] inputs x, then steps; [m,2n] B, then C; and A [n,d] (kScanSummary) or A above the state
// before the first row, [2n,d] (kScan). kScan gives y [m,d]. kScanSummary gives what the rows do to any
// state, [2n,d]: the product of all exp(step A) above the state that they leave behind when they start from
// zero; such maps compose (Accumulate::kCompose). All FP32, in the order of rows, then states.
// A row, channel and state costs one exponential in the tail and five operations that one pass of the vector
// stages holds, at four times the tail's rate: the tail is charged.
#pragma once

#include <array>
#include <vector>

#include "base/program/tile.h"

namespace rdusim {

void scan_values(const TileOp& op, const std::array<const Tile*, 3>& x, std::vector<float>& out);

}  // namespace rdusim
