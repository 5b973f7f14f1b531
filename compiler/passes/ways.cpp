#include "compiler/passes/ways.h"

#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

namespace rdusim::compiler {

namespace {

class Tree {
 public:
  Tree(const Fabric& fabric, TileId from)
      : fabric_(fabric), row_(fabric.row(from)), column_(fabric.column(from)) {
    route_.points.push_back({from, 0, false});
  }

  // Delivers to sorted rows of the source's column, with the way to the trunk.
  void stem(const std::vector<int64_t>& rows, int64_t trunk_row) { trunk_ = own_column(rows, trunk_row); }
  // From where the stem leaves off to the east, column after column; back to the source for the west.
  void branch_on(int64_t column, const std::vector<int64_t>& rows) {
    trunk_ = branch(trunk_, fabric_.row(route_.points[trunk_].tile), column, rows);
  }
  void back_to_source() { trunk_ = 0; }
  Route take() { return std::move(route_); }

 private:
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

  // The branches of a column from the trunk along `row`. Returns the point where they leave it.
  uint32_t branch(uint32_t trunk, int64_t row, int64_t column, const std::vector<int64_t>& rows) {
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
  uint32_t trunk_ = 0;
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

MulticastTo::MulticastTo(const Fabric& fabric, std::span<const TileId> to) : fabric_(fabric) {
  std::vector<std::pair<int64_t, int64_t>> places;  // column, row
  std::vector<int64_t> rows;
  for (const TileId t : to) {
    places.emplace_back(fabric.column(t), fabric.row(t));
    rows.push_back(places.back().second);
  }
  std::sort(places.begin(), places.end());
  for (const auto& [column, row] : places) {
    if (columns_.empty() || columns_.back().column != column) columns_.push_back({column});
    columns_.back().rows.push_back(row);
  }
  std::sort(rows.begin(), rows.end());
  first_row_ = rows.front();
  middle_row_ = rows[rows.size() / 2];
  last_row_ = rows.back();
}

Route MulticastTo::way(TileId from, int64_t trunk_row) const {
  Tree tree(fabric_, from);
  const int64_t column = fabric_.column(from);
  const auto own = std::lower_bound(columns_.begin(), columns_.end(), column,
                                    [](const Column& c, int64_t at) { return c.column < at; });
  const bool has_own = own != columns_.end() && own->column == column;
  const auto east = has_own ? own + 1 : own;
  tree.stem(has_own ? own->rows : std::vector<int64_t>(),
            east == columns_.end() ? fabric_.row(from) : trunk_row);
  for (auto c = east; c != columns_.end(); ++c) tree.branch_on(c->column, c->rows);
  tree.back_to_source();
  for (auto c = std::make_reverse_iterator(own); c != columns_.rend(); ++c)
    tree.branch_on(c->column, c->rows);
  return tree.take();
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
