// See tile_dispatch.h.
#include "base/program/tile_dispatch.h"

#include <algorithm>
#include <numeric>

#include "base/check.h"

namespace rdusim {

namespace {

// Place of each pair, in the order of the tile; -1 where it names no group.
std::vector<int64_t> places(const TileOp& op, const Tile& groups) {
  const std::vector<float>& ids = *groups.values;
  std::vector<size_t> order(ids.size());
  std::iota(order.begin(), order.end(), size_t{0});
  const auto ends = std::remove_if(order.begin(), order.end(), [&ids](size_t i) { return ids[i] < 0; });
  order.erase(ends, order.end());
  std::stable_sort(order.begin(), order.end(), [&ids](size_t a, size_t b) { return ids[a] < ids[b]; });
  std::vector<int64_t> result(ids.size(), -1);
  const int64_t rows = op.ints[1];
  int64_t place = 0;
  for (size_t i = 0; i < order.size(); ++i) {
    if (i > 0 && ids[order[i]] != ids[order[i - 1]]) place = (place + rows - 1) / rows * rows;
    RDU_CHECK(place < op.ints[0] * rows, "{} blocks of {} rows are too few for {} pairs", op.ints[0], rows,
              order.size());
    result[order[i]] = place++;
  }
  return result;
}

}  // namespace

void dispatch_values(const TileOp& op, const Tile& groups, std::vector<float>& out) {
  const std::vector<int64_t> place = places(op, groups);
  const int64_t blocks = op.ints[0];
  const int64_t rows = op.ints[1];
  std::vector<float> group_of(static_cast<size_t>(blocks), -1.0F);
  for (size_t p = 0; p < out.size(); p += 2) out[p] = -1.0F;
  for (size_t i = 0; i < place.size(); ++i) {
    if (place[i] < 0) continue;
    const auto row = static_cast<int64_t>(i) / groups.extent.cols;
    out[static_cast<size_t>(2 * place[i])] = static_cast<float>(row);
    group_of[static_cast<size_t>(place[i] / rows)] = (*groups.values)[i];
  }
  for (int64_t b = 0; b < blocks; ++b) {
    float& group = group_of[static_cast<size_t>(b)];
    if (group < 0) group = b > 0 ? group_of[static_cast<size_t>(b - 1)] : 0.0F;
    for (int64_t r = 0; r < rows; ++r) out[static_cast<size_t>(2 * (b * rows + r) + 1)] = group;
  }
}

void dispatch_place_values(const TileOp& op, const Tile& groups, std::vector<float>& out) {
  const std::vector<int64_t> place = places(op, groups);
  for (size_t i = 0; i < place.size(); ++i) out[i] = static_cast<float>(place[i]);
}

}  // namespace rdusim
