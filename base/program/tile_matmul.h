// The product of two tiles (TileOpKind::kMatmul). Each result is one dot product, summed left to right in
// FP32.
#pragma once

#include <vector>

#include "base/program/tile.h"

namespace rdusim {

// `out` has result.rows x result.cols elements.
void matmul_values(const TileOp& op, const Tile& a, const Tile& b, const Extent& result,
                   std::vector<float>& out);

}  // namespace rdusim
