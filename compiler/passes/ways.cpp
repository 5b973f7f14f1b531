#include "compiler/passes/ways.h"

#include <algorithm>
#include <vector>

namespace rdusim::compiler {

namespace {

class Tree {
 public:
  Tree(const Fabric& fabric, TileId from)
      : fabric_(fabric), row_(fabric.row(from)), column_(fabric.column(from)) {
    route_.points.push_back({from, 0, false});
  }

  Route grow(std::span<const TileId> to, int64_t trunk_row) {
    for (const TileId t : to) places_.emplace_back(fabric_.column(t), fabric_.row(t));
    std::sort(places_.begin(), places_.end());
    const auto middle = std::lower_bound(places_.begin(), places_.end(), std::pair{column_, int64_t{0}});
    const auto east = std::lower_bound(middle, places_.end(), std::pair{column_ + 1, int64_t{0}});
    // The source's own column, with the way to the trunk.
    std::vector<int64_t> rows;
    for (auto at = middle; at != east; ++at) rows.push_back(at->second);
    uint32_t trunk = own_column(rows, east == places_.end() ? row_ : trunk_row);
    const int64_t row = fabric_.row(route_.points[trunk].tile);
    for (auto at = east; at != places_.end();) trunk = branch(trunk, row, at, places_.end());
    // West, from the nearest column on: the same on the reversed order.
    std::reverse(places_.begin(), middle);
    trunk = 0;
    for (auto at = places_.begin(); at != middle;) trunk = branch(trunk, row_, at, middle);
    return std::move(route_);
  }

 private:
  using Places = std::vector<std::pair<int64_t, int64_t>>;  // column, row

  // Delivers to sorted rows of the source's column; returns the point where the trunk leaves it.
  uint32_t own_column(const std::vector<int64_t>& rows, int64_t trunk_row) {
    uint32_t trunk = 0;
    const auto below = std::upper_bound(rows.begin(), rows.end(), row_);
    const auto pass_trunk = [&](uint32_t last, bool passed) {
      if (trunk != 0 || !passed) return last;
      trunk = add(last, fabric_.tile(trunk_row, column_), false);
      return trunk;
    };
    uint32_t last = 0;
    for (auto r = below; r != rows.end(); ++r) {
      last = pass_trunk(last, trunk_row > row_ && trunk_row < *r);
      last = add(last, fabric_.tile(*r, column_), true);
      if (*r == trunk_row) trunk = last;
    }
    pass_trunk(last, trunk_row > row_);
    last = 0;
    for (auto r = std::make_reverse_iterator(below); r != rows.rend(); ++r) {
      if (*r == row_) {
        route_.points[0].delivers = true;
        continue;
      }
      last = pass_trunk(last, trunk_row < row_ && trunk_row > *r);
      last = add(last, fabric_.tile(*r, column_), true);
      if (*r == trunk_row) trunk = last;
    }
    pass_trunk(last, trunk_row < row_);
    return trunk;
  }

  // The branches of the column at `at`; moves `at` behind it. Returns the point where they leave the trunk.
  uint32_t branch(uint32_t trunk, int64_t row, Places::iterator& at, Places::iterator end) {
    const int64_t column = at->first;
    std::vector<int64_t> rows;
    for (; at != end && at->first == column; ++at) rows.push_back(at->second);
    std::sort(rows.begin(), rows.end());
    trunk = add(trunk, fabric_.tile(row, column), false);
    const auto below = std::upper_bound(rows.begin(), rows.end(), row);
    uint32_t last = trunk;
    for (auto r = below; r != rows.end(); ++r) last = add(last, fabric_.tile(*r, column), true);
    last = trunk;
    for (auto r = std::make_reverse_iterator(below); r != rows.rend(); ++r) {
      if (*r == row) {
        route_.points[trunk].delivers = true;
      } else {
        last = add(last, fabric_.tile(*r, column), true);
      }
    }
    return trunk;
  }

  uint32_t add(uint32_t parent, TileId tile, bool delivers) {
    route_.points.push_back({tile, parent, delivers});
    return static_cast<uint32_t>(route_.points.size() - 1);
  }

  const Fabric& fabric_;
  int64_t row_;
  int64_t column_;
  Places places_;
  Route route_;
};

}  // namespace

Route way_by_column(const Fabric& fabric, TileId from, TileId to, int64_t turn) {
  Route route;
  route.points.reserve(4);
  route.points.push_back({from, 0, false});
  const auto go = [&](TileId next) {
    if (next == route.points.back().tile) return;
    route.points.push_back({next, static_cast<uint32_t>(route.points.size() - 1), false});
  };
  go(fabric.tile(fabric.row(from), turn));
  go(fabric.tile(fabric.row(to), turn));
  go(to);
  route.points.back().delivers = true;
  return route;
}

Route multicast_way(const Fabric& fabric, TileId from, std::span<const TileId> to, int64_t trunk_row) {
  return Tree(fabric, from).grow(to, trunk_row);
}

size_t routes_between(size_t a, size_t b) {
  const size_t wider = std::max(a, b);
  const size_t narrower = std::min(a, b);
  size_t best = wider;
  double pace = 0;
  for (size_t n = wider; n <= 4 * wider; n += wider) {
    const double at = static_cast<double>(n) / static_cast<double>((n + narrower - 1) / narrower);
    if (at > pace * 1.1) pace = at, best = n;
  }
  return best;
}

}  // namespace rdusim::compiler
