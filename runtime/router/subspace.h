// Leading right singular space of a sparse matrix by randomised subspace iteration.
#pragma once

#include <cstdint>
#include <vector>

namespace rdusim::runtime {

// Compressed sparse rows.
struct SparseRows {
  int64_t cols = 0;
  std::vector<int64_t> row_begin{0};
  std::vector<int32_t> columns;
  std::vector<float> values;
  [[nodiscard]] int64_t rows() const { return static_cast<int64_t>(row_begin.size()) - 1; }
};

struct SingularSpace {
  int64_t dimensions = 0;               // at most as asked, fewer when the matrix has a lower rank
  std::vector<float> vectors;           // [cols, dimensions], orthonormal columns
  std::vector<double> singular_values;  // descending
};

// The same bytes for the same input: seeded start, fixed order of every sum, one thread.
SingularSpace leading_singular_space(const SparseRows& matrix, int64_t dimensions, int iterations,
                                     uint64_t seed);

}  // namespace rdusim::runtime
