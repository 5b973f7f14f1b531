#include "sim/pcu/lanes.h"

#include <algorithm>
#include <limits>

namespace rdusim::sim {

namespace {

float combine(ReduceOp op, float a, float b) {
  return op == ReduceOp::kSum ? a + b : std::max(a, b);
}

int64_t ceil_div(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

}  // namespace

int64_t reduction_levels(int64_t lanes) {
  int64_t levels = 0;
  for (int64_t width = lanes; width > 1; width = ceil_div(width, 2)) ++levels;
  return levels;
}

float reduce_row(std::span<const float> row, int64_t lanes, ReduceOp op) {
  const float neutral = op == ReduceOp::kSum ? 0.0F : -std::numeric_limits<float>::infinity();
  std::vector<float> lane(static_cast<size_t>(lanes), neutral);
  for (size_t i = 0; i < row.size(); ++i) {
    float& sum = lane[i % lane.size()];
    sum = combine(op, sum, row[i]);
  }
  for (size_t width = lane.size(); width > 1; width = (width + 1) / 2) {
    for (size_t i = 0; i < width / 2; ++i) lane[i] = combine(op, lane[2 * i], lane[2 * i + 1]);
    if (width % 2 == 1) lane[width / 2] = lane[width - 1];
  }
  return lane[0];
}

std::vector<float> scan_row(std::span<const float> row, int64_t lanes) {
  std::vector<float> result(row.begin(), row.end());
  const auto width = static_cast<size_t>(lanes);
  float carry = 0;
  for (size_t begin = 0; begin < result.size(); begin += width) {
    const size_t size = std::min(width, result.size() - begin);
    const std::span<float> vector(result.data() + begin, size);
    for (size_t distance = 1; distance < size; distance *= 2) {
      for (size_t i = size; i-- > distance;) vector[i] += vector[i - distance];
    }
    for (float& x : vector) x += carry;
    carry = vector[size - 1];
  }
  return result;
}

Pass scan_pass(const PcuSpec& pcu, int64_t rows, int64_t cols, int64_t pcus) {
  Pass pass;
  pass.steps = ceil_div(rows, pcus) * ceil_div(cols, pcu.lanes);
  pass.latency_cycles = pcu.pipeline_latency_cycles + reduction_levels(pcu.lanes) + 1;
  return pass;
}

}  // namespace rdusim::sim
