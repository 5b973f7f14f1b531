// Dispatch of rows to groups (experts): which rows each group works on, in blocks of equal size.
//
// Every pair (row i, choice j) of a[m,k] names a group, or none: a number below 0 (an expert that lies on
// another socket). Pairs are sorted by group, then by row; each group begins a new block of ints[1] places,
// of which there are ints[0]:
//   dispatch        place p -> [row of the pair there or -1, group of p's block]
//   dispatch_place  pair (i, j) -> its place, or -1 for a pair of no group
// Blocks that stay empty carry the last used group, so that what is fetched by group is always there.
// min(n, floor((n - g) / ints[1]) + g) blocks hold any n pairs of g groups: see dispatch_blocks.
#pragma once

#include <algorithm>
#include <vector>

#include "base/program/tile.h"

namespace rdusim {

// Fewest blocks of `rows` places that hold any choice of `groups` groups by `pairs` pairs.
constexpr int64_t dispatch_blocks(int64_t pairs, int64_t groups, int64_t rows) {
  const int64_t used = std::min(pairs, groups);
  return used + (pairs - used) / rows;
}

void dispatch_values(const TileOp& op, const Tile& groups, std::vector<float>& out);
void dispatch_place_values(const TileOp& op, const Tile& groups, std::vector<float>& out);

}  // namespace rdusim
