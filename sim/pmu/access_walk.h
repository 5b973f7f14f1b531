// The order in which a stream reads or writes a matrix in a PMU, as vectors of cells.
//
//   stream     the matrix's bytes in row order, vectors packed over row ends
//   row        row by row; a vector ends with its row
//   column     column by column, a vector = one element of each of consecutive rows
//   strided    every stride-th element in row order
//   gather     whole rows in the order of given indices; rows narrower than a vector share one, as many as
//   the address
//              pipelines can address in a cycle
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "sim/pmu/layout.h"

namespace rdusim::sim {

enum class Walk : uint8_t { kStream, kRow, kColumn, kStrided, kGather };

struct WalkVector {
  std::span<const Cell> cells;  // valid until the next call
  int64_t addresses = 1;
  int64_t elements = 0;
};

class AccessWalk {
 public:
  // `stride` for kStrided, `indices` (row numbers of the layout; must outlive the walk) for kGather.
  AccessWalk(const MatrixLayout& layout, Walk walk, int64_t stride, std::span<const int64_t> indices,
             int64_t addresses_per_cycle)
      : layout_(layout),
        walk_(walk),
        stride_(stride),
        indices_(indices),
        addresses_per_cycle_(addresses_per_cycle) {}

  // False when the walk is over.
  bool next(WalkVector& vector);

 private:
  bool next_by_row(WalkVector& vector);
  bool next_by_column(WalkVector& vector);
  bool next_by_step(WalkVector& vector, int64_t step);
  bool next_gathered(WalkVector& vector);
  void add_row_piece(int64_t row, int64_t col, int64_t count);

  const MatrixLayout& layout_;
  Walk walk_;
  int64_t stride_;
  std::span<const int64_t> indices_;
  int64_t addresses_per_cycle_;
  int64_t major_ = 0;  // row, column, element or index that comes next
  int64_t minor_ = 0;
  std::vector<Cell> cells_;
};

}  // namespace rdusim::sim
