#include "sim/exchange_part.h"

#include <algorithm>

#include "base/check.h"

namespace rdusim::sim {

TileOp scatter_slice(int64_t cols, int64_t sockets) {
  TileOp slice;
  slice.kind = TileOpKind::kSliceColsByFiring;
  slice.ints = {std::max<int64_t>(1, (cols + sockets - 1) / sockets), sockets};
  return slice;
}

Extent exchange_part(const Exchange& exchange, int64_t sockets, const Extent& token, int64_t socket) {
  if (exchange.mode == ExchangeMode::kBroadcast) return token;
  auto extent = tile_op_extent(scatter_slice(token.cols, sockets), {token, {}, {}}, socket);
  RDU_CHECK(extent.ok(), "{}", extent.error().to_string());
  return *extent;
}

}  // namespace rdusim::sim
