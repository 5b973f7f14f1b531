// Definition: C[i,j] = ((0 + A[i,0] B[0,j]) + A[i,1] B[1,j]) + ... The loops run k outermost inside a row so
// that the additions of one result keep that order while neighbouring results fill the vector lanes. A
// transposed B is brought into [k,n] order once a call when several rows share it.
#include "base/program/tile_matmul.h"

#include <algorithm>

namespace rdusim {

namespace {

// row[j] += sum over k of a[k] * b[k * stride + j], in order of k.
void row_times_matrix(const float* a, const float* b, int64_t stride, int64_t k_count, int64_t n,
                      float* row) {
  for (int64_t k = 0; k < k_count; ++k) {
    const float factor = a[k];
    const float* line = b + k * stride;
    for (int64_t j = 0; j < n; ++j) row[j] += factor * line[j];
  }
}

// Four dot products at a time hide the latency of the additions.
void row_times_transposed(const float* a, const float* b, int64_t stride, int64_t k_count, int64_t n,
                          float* row) {
  int64_t j = 0;
  for (; j + 4 <= n; j += 4) {
    const float* b0 = b + j * stride;
    const float* b1 = b0 + stride;
    const float* b2 = b1 + stride;
    const float* b3 = b2 + stride;
    float s0 = 0, s1 = 0, s2 = 0, s3 = 0;
    for (int64_t k = 0; k < k_count; ++k) {
      s0 += a[k] * b0[k];
      s1 += a[k] * b1[k];
      s2 += a[k] * b2[k];
      s3 += a[k] * b3[k];
    }
    row[j] = s0;
    row[j + 1] = s1;
    row[j + 2] = s2;
    row[j + 3] = s3;
  }
  for (; j < n; ++j) {
    float sum = 0;
    for (int64_t k = 0; k < k_count; ++k) sum += a[k] * b[j * stride + k];
    row[j] = sum;
  }
}

std::vector<float> transposed(const float* values, int64_t rows, int64_t cols) {
  std::vector<float> out(static_cast<size_t>(rows * cols));
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < cols; ++j) out[static_cast<size_t>(j * rows + i)] = values[i * cols + j];
  }
  return out;
}

}  // namespace

void matmul_values(const TileOp& op, const Tile& a, const Tile& b, const Extent& result,
                   std::vector<float>& out) {
  const int64_t k_count = a.extent.cols;
  const int64_t n = result.cols;
  const float* values = b.values->data();
  int64_t stride = b.extent.cols;
  std::vector<float> packed;
  const bool pack = op.matmul_transposed && result.rows > 4;
  if (pack) {
    packed = transposed(values, b.extent.rows, b.extent.cols);  // now [groups * K, n]
    values = packed.data();
    stride = n;
  }
  std::fill(out.begin(), out.end(), 0.0F);
  for (int64_t i = 0; i < result.rows; ++i) {
    const int64_t group = (i % op.matmul_row_cycle) / op.matmul_rows_per_group;
    const float* row = a.values->data() + i * k_count;
    float* to = out.data() + i * n;
    if (pack) {
      row_times_matrix(row, values + group * k_count * stride, stride, k_count, n, to);
    } else if (op.matmul_transposed) {
      row_times_transposed(row, values + group * k_count, stride, k_count, n, to);
    } else {
      row_times_matrix(row, values + group * n, stride, k_count, n, to);
    }
  }
}

}  // namespace rdusim
