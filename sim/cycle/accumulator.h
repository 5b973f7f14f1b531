// The accumulator of an output port, by shape: what its token will be when it leaves.
#pragma once

#include "base/program/tile.h"

namespace rdusim::sim::cycle {

struct Accumulator {
  Extent tile;
  bool filled = false;

  // What a firing adds. False: it does not fit.
  bool add(const OutputPort& port, int64_t firing, const Extent& source) {
    const Extent shape{source.rows, source.cols, 0, 0};
    if (port.accumulate == Accumulate::kNone) {
      if (port.phases.active(firing)) tile = shape;
      return true;
    }
    if (firing % port.reset_period == 0) filled = false;
    if (!filled) {
      filled = true;
      tile = {0, shape.cols, 0, 0};
      if (port.keep_rows == 0 || shape.rows <= port.keep_rows) {
        tile = shape;
        return true;
      }
    }
    if (!accumulate_fits(port.accumulate, tile, shape)) return false;
    tile = accumulate_extent(port.accumulate, tile, shape, port.keep_rows);
    tile.row0 = 0;
    return true;
  }
};

}  // namespace rdusim::sim::cycle
