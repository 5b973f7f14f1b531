// Which part of a tensor a socket holds (Shard in program.h).
#include <algorithm>

#include "base/check.h"
#include "base/program/program.h"

namespace rdusim {

ShardRange shard_range(const Shard& shard, int64_t extent, int64_t socket, int64_t sockets) {
  RDU_CHECK(socket >= 0 && socket < sockets, "socket {} of {}", socket, sockets);
  if (shard.kind == ShardKind::kReplicated || shard.shards <= 1) return {0, extent};
  RDU_CHECK(shard.granule > 0, "granule {}", shard.granule);
  const int64_t index = shard.shards < sockets ? socket * shard.shards / sockets : socket;
  if (index >= shard.shards) return {extent, 0};
  const int64_t granules = (extent + shard.granule - 1) / shard.granule;
  const int64_t size = (granules + shard.shards - 1) / shard.shards * shard.granule;
  const int64_t begin = std::min(extent, index * size);
  return {begin, std::min(size, extent - begin)};
}

}  // namespace rdusim
