#include "sim/stream_access.h"

namespace rdusim::sim {

static_assert(static_cast<int>(Wire::kSram) == static_cast<int>(Tier::kSram) &&
              static_cast<int>(Wire::kHbm) == static_cast<int>(Tier::kHbm) &&
              static_cast<int>(Wire::kDdr) == static_cast<int>(Tier::kDdr));

StreamAccess::StreamAccess(const Program& program, const Section& section, const MemoryStream& stream,
                           const Symbol& symbol, const ChipSpec& chip, int64_t socket)
    : wire(static_cast<Wire>(symbol.tier)),
      cause(section.arguments[stream.argument.value].cause),
      shard_rows(symbol.rows),
      cols(stream.cols),
      symbol_cols(symbol.cols),
      element_bytes(dtype_bytes(symbol.dtype)),
      burst_bytes((symbol.tier == Tier::kHbm ? chip.hbm : chip.ddr).burst_bytes),
      ring(stream.ring > 0) {
  const ShardPart part =
      shard_part(symbol.shard, symbol.full_rows, symbol.full_cols, socket, program.sockets);
  shard_rows = part.rows;
  cols = std::clamp<int64_t>(part.cols - stream.col_begin, 0, stream.cols);
  const int64_t pmus = (symbol.bytes() + chip.pmu.capacity_bytes - 1) / chip.pmu.capacity_bytes;
  sram_bytes_per_cycle = std::max<int64_t>(1, pmus) * chip.pmu.port_bytes_per_cycle;
}

int64_t StreamAccess::alike_tokens(const MemoryStream& stream, int64_t from) const {
  const int64_t last_begin = stream.begin + std::max<int64_t>(0, (stream.segments - 1) * stream.stride);
  if (!ring && last_begin + stream.rows > shard_rows) return 0;  // clipped somewhere
  if (stream.rows % stream.rows_per_token == 0) return std::numeric_limits<int64_t>::max();
  return stream.tokens_per_segment() - 1 - from % stream.tokens_per_segment();
}

}  // namespace rdusim::sim
