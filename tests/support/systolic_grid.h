// A grid of multiply-accumulate cells, stepped cycle by cycle with real operands: the slow twin of
// sim/pcu/systolic.h. It knows no formula: operands are registers that move to the neighbour, a fold ends
// when the last result is complete, and cycles are counted.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#include "sim/pcu/systolic.h"

namespace rdusim::testing {

struct GridRun {
  int64_t cycles = 0;
  std::vector<int64_t> c;  // row-major m x n
};

class SystolicGrid {
 public:
  SystolicGrid(const sim::SystolicArray& array, const sim::GemmShape& shape)
      : array_(array), shape_(shape), a_(fill(shape.m * shape.k, 7)), b_(fill(shape.k * shape.n, 11)) {}

  GridRun run() {
    run_.c.assign(static_cast<size_t>(shape_.m * shape_.n), 0);
    const bool os = array_.dataflow == sim::Dataflow::kOutputStationary;
    const bool is = array_.dataflow == sim::Dataflow::kInputStationary;
    const int64_t down = os ? shape_.m : shape_.k;
    const int64_t across = is ? shape_.m : shape_.n;
    for (int64_t r = 0; r < down; r += array_.rows) {
      for (int64_t c = 0; c < across; c += array_.columns) os ? output_fold(r, c) : stationary_fold(r, c);
    }
    return run_;
  }

  // The product by definition.
  [[nodiscard]] std::vector<int64_t> expected() const {
    std::vector<int64_t> c(static_cast<size_t>(shape_.m * shape_.n), 0);
    for (int64_t i = 0; i < shape_.m; ++i) {
      for (int64_t j = 0; j < shape_.n; ++j) {
        for (int64_t k = 0; k < shape_.k; ++k) c[static_cast<size_t>(i * shape_.n + j)] += a(i, k) * b(k, j);
      }
    }
    return c;
  }

 private:
  struct Operand {
    int64_t value = 0;
    bool valid = false;
  };
  using Plane = std::vector<Operand>;

  static std::vector<int64_t> fill(int64_t size, int64_t step) {
    std::vector<int64_t> v(static_cast<size_t>(size));
    for (size_t i = 0; i < v.size(); ++i) v[i] = static_cast<int64_t>(i) * step % 13 - 6;
    return v;
  }
  // Beyond the edge: zero; ragged folds run through.
  [[nodiscard]] int64_t a(int64_t i, int64_t k) const {
    return i < shape_.m && k < shape_.k ? a_[static_cast<size_t>(i * shape_.k + k)] : 0;
  }
  [[nodiscard]] int64_t b(int64_t k, int64_t j) const {
    return k < shape_.k && j < shape_.n ? b_[static_cast<size_t>(k * shape_.n + j)] : 0;
  }
  void add(int64_t i, int64_t j, int64_t value) {
    if (i < shape_.m && j < shape_.n) run_.c[static_cast<size_t>(i * shape_.n + j)] += value;
  }
  [[nodiscard]] size_t at(int64_t r, int64_t c) const { return static_cast<size_t>(r * array_.columns + c); }

  // Left operands enter column 0 of row r at cycle k + r and move right; top operands enter row 0 of column c
  // at k + c and move down. With a broadcast buffer both are there for a whole row at once.
  void output_fold(int64_t row0, int64_t col0) {
    const int64_t rows = array_.rows;
    const int64_t columns = array_.columns;
    const bool skewed = array_.operands == sim::OperandPath::kSkewed;
    std::vector<int64_t> sum(static_cast<size_t>(rows * columns), 0);
    std::vector<int64_t> products(sum.size(), 0);
    Plane left(sum.size());
    Plane top(sum.size());
    int64_t complete = 0;
    int64_t cycle = 0;
    while (complete < rows * columns) {
      for (int64_t r = rows - 1; r >= 0; --r) {
        for (int64_t c = columns - 1; c >= 0; --c) {
          const int64_t k = cycle - r - (skewed ? c : 0);
          const bool enters = k >= 0 && k < shape_.k;
          Operand l = skewed && c > 0 ? left[at(r, c - 1)] : Operand{enters ? a(row0 + r, k) : 0, enters};
          Operand t = r > 0 ? top[at(r - 1, c)] : Operand{enters ? b(k, col0 + c) : 0, enters};
          left[at(r, c)] = l;
          top[at(r, c)] = t;
          if (!l.valid || !t.valid) continue;
          sum[at(r, c)] += l.value * t.value;
          if (++products[at(r, c)] == shape_.k) ++complete;
        }
      }
      ++cycle;
    }
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t c = 0; c < columns; ++c) add(row0 + r, col0 + c, sum[at(r, c)]);
    }
    if (array_.drain == sim::DrainPath::kTail) cycle += shift_out(rows);
    run_.cycles += cycle;
  }

  // Rows of results move one row a cycle to the tail; the row beside it left with the last product's cycle.
  static int64_t shift_out(int64_t rows) {
    std::vector<bool> chain(static_cast<size_t>(rows), true);
    int64_t cycles = -1;
    while (std::any_of(chain.begin(), chain.end(), [](bool full) { return full; })) {
      chain.pop_back();
      chain.insert(chain.begin(), false);
      ++cycles;
    }
    return cycles;
  }

  // What stays is shifted in from above, a row a cycle. Then the streamed operand enters row r at step + r
  // and moves right, and partial sums move down; they are complete when they leave the last row.
  void stationary_fold(int64_t k0, int64_t col0) {
    const int64_t rows = array_.rows;
    const int64_t columns = array_.columns;
    const bool ws = array_.dataflow == sim::Dataflow::kWeightStationary;
    const bool skewed = array_.operands == sim::OperandPath::kSkewed;
    const int64_t steps = ws ? shape_.m : shape_.n;
    std::vector<int64_t> stays(static_cast<size_t>(rows * columns), 0);
    int64_t cycle = 0;
    for (; cycle < rows; ++cycle) {
      for (int64_t r = rows - 1; r > 0; --r) {
        for (int64_t c = 0; c < columns; ++c) stays[at(r, c)] = stays[at(r - 1, c)];
      }
      for (int64_t c = 0; c < columns; ++c) {
        const int64_t k = k0 + rows - 1 - cycle;
        stays[at(0, c)] = ws ? b(k, col0 + c) : a(col0 + c, k);
      }
    }
    Plane left(stays.size());
    Plane down(stays.size());
    int64_t leaving = steps * columns;
    for (int64_t t = 0; leaving > 0; ++t, ++cycle) {
      for (int64_t r = rows - 1; r >= 0; --r) {
        for (int64_t c = columns - 1; c >= 0; --c) {
          const int64_t s = t - r - (skewed ? c : 0);
          const bool enters = s >= 0 && s < steps;
          const int64_t operand = !enters ? 0 : ws ? a(s, k0 + r) : b(k0 + r, s);
          const Operand l = skewed && c > 0 ? left[at(r, c - 1)] : Operand{operand, enters};
          const Operand above = r > 0 ? down[at(r - 1, c)] : Operand{0, enters};
          left[at(r, c)] = l;
          down[at(r, c)] = {above.value + l.value * stays[at(r, c)], l.valid && above.valid};
          if (r < rows - 1 || !down[at(r, c)].valid) continue;
          --leaving;
          ws ? add(s, col0 + c, down[at(r, c)].value) : add(col0 + c, s, down[at(r, c)].value);
        }
      }
    }
    run_.cycles += cycle;
  }

  sim::SystolicArray array_;
  sim::GemmShape shape_;
  std::vector<int64_t> a_;
  std::vector<int64_t> b_;
  GridRun run_;
};

}  // namespace rdusim::testing
