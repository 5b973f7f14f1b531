// Where the elements of a matrix lie in a PMU's scratchpad.
//
//   linear    row after row without gaps
//   diagonal  rows padded to whole lines; row i is rotated by i elements within its lines. So a vector of one
//   column
//             (one element of each of consecutive rows) meets every lane's column once, like a vector of one
//             row:
//
//               line of row 0:  0 1 2 3         line of row 1:  3 0 1 2        line of row 2:  2 3 0 1
//
// Source: transposed tensors are written diagonally striped (MICRO 2024, Sec. IV-B).
#pragma once

#include <cstdint>

#include "sim/pmu/pmu_model.h"

namespace rdusim::sim {

enum class Striping : uint8_t { kLinear, kDiagonal };

class MatrixLayout {
 public:
  MatrixLayout(Striping striping, int64_t rows, int64_t cols, int64_t element_bytes, int64_t line_bytes,
               int64_t base_bytes = 0)
      : diagonal_(striping == Striping::kDiagonal),
        rows_(rows),
        cols_(cols),
        element_bytes_(element_bytes),
        line_bytes_(line_bytes),
        base_bytes_(base_bytes),
        pitch_bytes_(diagonal_ ? (cols * element_bytes + line_bytes - 1) / line_bytes * line_bytes
                               : cols * element_bytes) {}

  [[nodiscard]] int64_t address(int64_t row, int64_t col) const {
    const int64_t linear = base_bytes_ + row * pitch_bytes_ + col * element_bytes_;
    if (!diagonal_) return linear;
    const int64_t line = linear / line_bytes_ * line_bytes_;
    return line + (linear - line + row * rotation_bytes()) % line_bytes_;
  }
  [[nodiscard]] Cell cell(int64_t row, int64_t col) const {
    return static_cast<Cell>(address(row, col) / kCellBytes);
  }
  [[nodiscard]] int64_t bytes() const { return rows_ * pitch_bytes_; }
  [[nodiscard]] int64_t rows() const { return rows_; }
  [[nodiscard]] int64_t cols() const { return cols_; }
  [[nodiscard]] int64_t element_bytes() const { return element_bytes_; }
  [[nodiscard]] int64_t elements_per_vector() const { return line_bytes_ / element_bytes_; }

 private:
  // Elements below a lane's width move with their lane.
  [[nodiscard]] int64_t rotation_bytes() const {
    return element_bytes_ < kCellBytes ? kCellBytes : element_bytes_;
  }

  bool diagonal_;
  int64_t rows_;
  int64_t cols_;
  int64_t element_bytes_;
  int64_t line_bytes_;
  int64_t base_bytes_;
  int64_t pitch_bytes_;
};

}  // namespace rdusim::sim
