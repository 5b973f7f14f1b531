// Tile: what rides on a token. In timing runs only its extent; in functional runs also its values.
// evaluate() is the one definition of the primitive operations: their result extent, their work, and their
// values.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/program/program.h"

namespace rdusim {

struct Extent {
  int64_t rows = 0;
  int64_t cols = 0;
  int64_t row0 = 0;  // coordinates of element (0,0) in the tensor the tile was cut from
  int64_t col0 = 0;
  friend bool operator==(const Extent&, const Extent&) = default;
  [[nodiscard]] int64_t elements() const { return rows * cols; }
};

struct Tile {
  Extent extent;
  std::shared_ptr<const std::vector<float>> values;  // null in timing runs; row-major
};

// Work of one operation on operands of the given extents, in the units of its class:
// kMac multiply-accumulates; kMap, kTail, kReduce, kCross element operations; kLayout elements moved.
struct TileWork {
  int64_t amount = 0;
  int64_t m = 0, n = 0, k = 0;  // kMac only: product shape, for the systolic array's fill and drain
};

// Extent of the result. Coordinates: elementwise ops keep those of their first operand with more than one row
// (else the first); a transposed matmul has row0 of A (after dividing nothing) and col0 = row0 of B; reshape
// scales row0 by cols_old / cols_new; slices add. Fails with kInvalidInput when shapes do not fit.
Result<Extent> tile_op_extent(const TileOp& op, const std::array<Extent, 3>& operands, int64_t firing);
TileWork tile_op_work(const TileOp& op, const std::array<Extent, 3>& operands, const Extent& result);

// Values of one operation; operands carry values. FP32 throughout; the order of every reduction is fixed
// (left to right), so bytes repeat.
Tile evaluate_tile_op(const TileOp& op, const std::array<const Tile*, 3>& operands, const Extent& result,
                      int64_t firing);

// Accumulator of an output port. The first token after a reset starts it and is not passed here.
// Whether the token's shape fits the accumulator; the others require it.
bool accumulate_fits(Accumulate how, const Extent& sum, const Extent& next);
Extent accumulate_extent(Accumulate how, const Extent& sum, const Extent& next, int64_t keep_rows);
Tile accumulate_tile(Accumulate how, const Tile& sum, const Tile& next, int64_t keep_rows);

}  // namespace rdusim
