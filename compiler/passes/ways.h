// Shapes of routes over the mesh. What leads west goes west before it turns and never turns west again (the
// west-first turn model, Glass and Ni, ISCA 1992), so routes of these shapes cannot deadlock, whatever is
// chosen; verify_program checks that anew.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/arch/fabric.h"
#include "base/program/program.h"

namespace rdusim::compiler {

// Along the row to the column `turn`, along that to the row of `to`, and on. A `turn` that is not the column
// of `to` must lie between the two columns, `to` in the east.
Route way_by_column(const Fabric& fabric, TileId from, TileId to, int64_t turn);

// Multicast to `to`, a trunk along a row with a branch up and one down every column that has a destination.
// What lies in the west hangs on a trunk along the source's row, the rest on one along `trunk_row`.
Route multicast_way(const Fabric& fabric, TileId from, std::span<const TileId> to, int64_t trunk_row);

// Routes of a leg between so many units on the two sides: a multiple of the wider side that loads the units
// of the other nearly evenly, since the fullest sets the pace. Four times as many as units where that gains a
// tenth.
size_t routes_between(size_t a, size_t b);

}  // namespace rdusim::compiler
