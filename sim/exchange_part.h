// Which part of a token an exchange sends to a socket: the arithmetic of program.h's Exchange.
#pragma once

#include "base/program/tile.h"

namespace rdusim::sim {

// The column slice that socket `socket` of `sockets` gets from a token of `cols` columns (kScatterCols).
TileOp scatter_slice(int64_t cols, int64_t sockets);
// Extent of the part for that socket.
Extent exchange_part(const Exchange& exchange, int64_t sockets, const Extent& token, int64_t socket);

}  // namespace rdusim::sim
