// Accumulators of output ports: sums, compositions and concatenations of successive tokens. Shapes must fit
// (callers check with accumulate_fits); sums add the newer token to the older sum, element by element.
#include <algorithm>

#include "base/check.h"
#include "base/program/tile.h"

namespace rdusim {

namespace {

int64_t dropped_rows(const Extent& sum, const Extent& next, int64_t keep_rows) {
  return keep_rows > 0 ? std::max<int64_t>(0, sum.rows + next.rows - keep_rows) : 0;
}

void check_fits(Accumulate how, const Extent& sum, const Extent& next) {
  RDU_CHECK(accumulate_fits(how, sum, next), "accumulator [{},{}] and token [{},{}]", sum.rows, sum.cols,
            next.rows, next.cols);
}

std::vector<float> concat_rows(const Tile& sum, const Tile& next, int64_t dropped) {
  std::vector<float> out;
  out.reserve(sum.values->size() + next.values->size());
  out.insert(out.end(), sum.values->begin(), sum.values->end());
  out.insert(out.end(), next.values->begin(), next.values->end());
  out.erase(out.begin(), out.begin() + dropped * sum.extent.cols);
  return out;
}

std::vector<float> concat_cols(const Tile& sum, const Tile& next) {
  std::vector<float> out;
  out.reserve(sum.values->size() + next.values->size());
  for (int64_t i = 0; i < sum.extent.rows; ++i) {
    const float* left = sum.values->data() + i * sum.extent.cols;
    const float* right = next.values->data() + i * next.extent.cols;
    out.insert(out.end(), left, left + sum.extent.cols);
    out.insert(out.end(), right, right + next.extent.cols);
  }
  return out;
}

// s -> p s + q, first the older map: p' p and p' q + q'.
std::vector<float> compose(const Tile& sum, const Tile& next) {
  const size_t half = sum.values->size() / 2;
  std::vector<float> out(sum.values->size());
  for (size_t i = 0; i < half; ++i) {
    const float p = (*next.values)[i];
    out[i] = p * (*sum.values)[i];
    out[half + i] = p * (*sum.values)[half + i] + (*next.values)[half + i];
  }
  return out;
}

}  // namespace

bool accumulate_fits(Accumulate how, const Extent& sum, const Extent& next) {
  switch (how) {
    case Accumulate::kNone:
      return true;
    case Accumulate::kSum:
      return sum.rows == next.rows && sum.cols == next.cols;
    case Accumulate::kCompose:
      return sum.rows == next.rows && sum.cols == next.cols && sum.rows % 2 == 0;
    case Accumulate::kConcatRows:
      return sum.cols == next.cols;
    case Accumulate::kConcatCols:
      return sum.rows == next.rows;
  }
  return false;
}

Extent accumulate_extent(Accumulate how, const Extent& sum, const Extent& next, int64_t keep_rows) {
  check_fits(how, sum, next);
  switch (how) {
    case Accumulate::kNone:
      return next;
    case Accumulate::kSum:
    case Accumulate::kCompose:
      return sum;
    case Accumulate::kConcatRows: {
      const int64_t dropped = dropped_rows(sum, next, keep_rows);
      return {sum.rows + next.rows - dropped, sum.cols, sum.row0 + dropped, sum.col0};
    }
    case Accumulate::kConcatCols:
      return {sum.rows, sum.cols + next.cols, sum.row0, sum.col0};
  }
  return next;
}

Tile accumulate_tile(Accumulate how, const Tile& sum, const Tile& next, int64_t keep_rows) {
  if (how == Accumulate::kNone) return next;
  const Extent extent = accumulate_extent(how, sum.extent, next.extent, keep_rows);
  std::vector<float> out;
  if (how == Accumulate::kSum) {
    out.resize(sum.values->size());
    std::transform(sum.values->begin(), sum.values->end(), next.values->begin(), out.begin(), std::plus<>());
  } else if (how == Accumulate::kCompose) {
    out = compose(sum, next);
  } else if (how == Accumulate::kConcatRows) {
    out = concat_rows(sum, next, dropped_rows(sum.extent, next.extent, keep_rows));
  } else {
    out = concat_cols(sum, next);
  }
  return Tile{extent, std::make_shared<const std::vector<float>>(std::move(out))};
}

}  // namespace rdusim
