// Which part of a tensor a socket holds (Shard in program.h).
#include <algorithm>

#include "base/check.h"
#include "base/program/program.h"

namespace rdusim {
namespace {

bool holds_experts(const Shard& shard) {
  return shard.kind == ShardKind::kExpertRows || shard.kind == ShardKind::kExpertCols;
}

ShardPart expert_part(const Shard& shard, int64_t full_rows, int64_t full_cols, int64_t socket,
                      int64_t sockets) {
  const int64_t experts = shard.granule / shard.shards;
  const int64_t sockets_a_shard = sockets / shard.shards;
  const int64_t in_shard = socket % sockets_a_shard;
  ShardPart part{
      full_rows / shard.shards, full_cols, socket / sockets_a_shard * experts, experts, shard.granule, 0};
  if (shard.kind == ShardKind::kExpertRows) {
    part.rows /= sockets_a_shard;
    part.row_begin += in_shard * (part.rows / experts) * shard.granule;
  } else {
    part.cols /= sockets_a_shard;
    part.col_begin = in_shard * part.cols;
  }
  return part;
}

}  // namespace

ShardRange shard_range(const Shard& shard, int64_t extent, int64_t socket, int64_t sockets) {
  RDU_CHECK(socket >= 0 && socket < sockets, "socket {} of {}", socket, sockets);
  if (shard.kind == ShardKind::kReplicated || shard.shards <= 1) return {0, extent};
  RDU_CHECK(shard.granule > 0, "granule {}", shard.granule);
  RDU_CHECK(!holds_experts(shard), "experts are no range");
  const int64_t index = shard.shards < sockets ? socket * shard.shards / sockets : socket;
  if (index >= shard.shards) return {extent, 0};
  const int64_t granules = (extent + shard.granule - 1) / shard.granule;
  const int64_t size = (granules + shard.shards - 1) / shard.shards * shard.granule;
  const int64_t begin = std::min(extent, index * size);
  return {begin, std::min(size, extent - begin)};
}

ShardPart shard_part(const Shard& shard, int64_t full_rows, int64_t full_cols, int64_t socket,
                     int64_t sockets) {
  RDU_CHECK(shard_divides(shard, full_rows, full_cols, sockets), "{} experts x {} over {} sockets",
            shard.granule, full_rows, sockets);
  if (holds_experts(shard)) return expert_part(shard, full_rows, full_cols, socket, sockets);
  ShardPart part{full_rows, full_cols};
  if (shard.kind == ShardKind::kRows) {
    const ShardRange rows = shard_range(shard, full_rows, socket, sockets);
    part.rows = rows.size;
    part.row_begin = rows.begin;
  }
  if (shard.kind == ShardKind::kCols) {
    const ShardRange cols = shard_range(shard, full_cols, socket, sockets);
    part.cols = cols.size;
    part.col_begin = cols.begin;
  }
  return part;
}

bool shard_divides(const Shard& shard, int64_t full_rows, int64_t full_cols, int64_t sockets) {
  if (!holds_experts(shard)) return true;
  if (shard.granule % shard.shards != 0 || sockets % shard.shards != 0 || full_rows % shard.granule != 0)
    return false;
  const int64_t cut = shard.kind == ShardKind::kExpertRows ? full_rows / shard.granule : full_cols;
  return cut % (sockets / shard.shards) == 0;
}

}  // namespace rdusim
