// Shapes of routes over the mesh. What leads west goes west before it turns and never turns west again (the
// west-first turn model, Glass and Ni, ISCA 1992), so routes of these shapes cannot deadlock, whatever is
// chosen; verify_program checks that anew.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/arch/fabric.h"
#include "base/program/program.h"

namespace rdusim::compiler {

// Along the row to the column `turn`, along that to the row of `to`, and on. A `turn` that is not the column
// of `to` must lie between the two columns, `to` in the east.
Route way_by_column(const Fabric& fabric, TileId from, TileId to, int64_t turn);

// Multicasts to the same tiles: a trunk along a row with a branch up and one down every column that has a
// destination. What lies in the west hangs on a trunk along the source's row, the rest on one along
// `trunk_row`.
class MulticastTo {
 public:
  MulticastTo(const Fabric& fabric, std::span<const TileId> to);

  [[nodiscard]] Route way(TileId from, int64_t trunk_row) const;
  // The straight stretches of that way, without making it: visit(tile, heading, hops) until it returns false.
  template <typename Visit>
  void visit_stretches(TileId from, int64_t trunk_row, Visit&& visit) const;

  [[nodiscard]] int64_t first_row() const { return first_row_; }
  [[nodiscard]] int64_t middle_row() const { return middle_row_; }
  [[nodiscard]] int64_t last_row() const { return last_row_; }

 private:
  struct Column {
    int64_t column = 0;
    std::vector<int64_t> rows{};  // of its destinations, sorted
  };

  // Of a column, up to row `first` and down to row `last` from `row`.
  template <typename Visit>
  bool visit_branches(int64_t column, int64_t first, int64_t last, int64_t row, Visit& visit) const {
    const TileId trunk = fabric_.tile(row, column);
    return (last <= row || visit(trunk, Heading::kSouth, last - row)) &&
           (first >= row || visit(trunk, Heading::kNorth, row - first));
  }

  const Fabric& fabric_;
  std::vector<Column> columns_;  // from west to east
  int64_t first_row_ = 0;
  int64_t middle_row_ = 0;
  int64_t last_row_ = 0;
};

// Routes of a leg between so many units on the two sides: a multiple of the wider side that loads the units
// of the other nearly evenly, since the fullest sets the pace. Four times as many as units where that gains a
// tenth.
size_t routes_between(size_t a, size_t b);

template <typename Visit>
void MulticastTo::visit_stretches(TileId from, int64_t trunk_row, Visit&& visit) const {
  const int64_t row = fabric_.row(from);
  const int64_t column = fabric_.column(from);
  const int64_t east = columns_.back().column - column;
  const int64_t west = column - columns_.front().column;
  const int64_t trunk = east > 0 ? trunk_row : row;
  if (east > 0 && !visit(fabric_.tile(trunk, column), Heading::kEast, east)) return;
  if (west > 0 && !visit(from, Heading::kWest, west)) return;
  int64_t first = std::min(row, trunk);  // of the source's own column, with the way to the trunk
  int64_t last = std::max(row, trunk);
  for (const Column& c : columns_) {
    if (c.column == column) {
      first = std::min(first, c.rows.front());
      last = std::max(last, c.rows.back());
    } else if (!visit_branches(c.column, c.rows.front(), c.rows.back(), c.column > column ? trunk : row,
                               visit)) {
      return;
    }
  }
  visit_branches(column, first, last, row, visit);
}

}  // namespace rdusim::compiler
