// MemoryImage: flat bytes of every tier of every socket, addressed by the program's memory plan
// (simulator.h). A socket's shard lies row-major with the row stride of socket 0's shard, the largest,
// because offsets and shapes in the plan are the same on all sockets.
#include <fmt/format.h>

#include "base/check.h"
#include "sim/simulator.h"
#include "sim/values.h"

namespace rdusim::sim {

namespace {

ShardPart part_of(const Symbol& s, int64_t socket, int64_t sockets) {
  return shard_part(s.shard, s.full_rows, s.full_cols, socket, sockets);
}

Error symbol_error(const Symbol& s, std::string what) {
  return Error{ErrorCode::kInvalidInput, "symbol " + s.name, std::move(what), ""};
}

Status check_inside(const Symbol& s, const ShardPart& part, size_t tier_bytes) {
  const int64_t end = s.offset_bytes + s.bytes();
  if (part.rows <= s.rows && part.cols <= s.cols && s.offset_bytes >= 0 &&
      static_cast<size_t>(end) <= tier_bytes) {
    return {};
  }
  return symbol_error(s, fmt::format("a shard of {} x {} does not fit its {} x {} in {} of {} bytes",
                                     part.rows, part.cols, s.rows, s.cols, tier_name(s.tier), tier_bytes));
}

}  // namespace

MemoryImage::MemoryImage(const Program& program) : tiers_(static_cast<size_t>(program.sockets)) {
  for (auto& socket : tiers_) {
    for (size_t t = 0; t < kTierCount; ++t) socket[t].assign(static_cast<size_t>(program.tiers[t].bytes), 0);
  }
}

Status MemoryImage::write(const Program& program, SymbolId symbol, const Tensor& whole) {
  RDU_CHECK(symbol.value < program.symbols.size(), "symbol {}", symbol.value);
  const Symbol& s = program.symbols[symbol.value];
  if (whole.rows() != s.full_rows || whole.cols() != s.full_cols) {
    return symbol_error(s, fmt::format("tensor {} is {} x {}, expected {} x {}", s.source, whole.rows(),
                                       whole.cols(), s.full_rows, s.full_cols));
  }
  const int64_t step = dtype_bytes(s.dtype);
  for (int64_t socket = 0; socket < program.sockets; ++socket) {
    const ShardPart part = part_of(s, socket, program.sockets);
    std::vector<uint8_t>& tier = bytes(socket, s.tier);
    RDU_CHECK_OK(check_inside(s, part, tier.size()));
    for (int64_t r = 0; r < part.rows; ++r) {
      uint8_t* to = tier.data() + s.offset_bytes + r * s.cols * step;
      for (int64_t c = 0; c < part.cols; ++c) {
        encode(whole.at(part.whole_row(r), part.col_begin + c), to + c * step, s.dtype);
      }
    }
  }
  return {};
}

Result<Tensor> MemoryImage::read(const Program& program, SymbolId symbol) const {
  RDU_CHECK(symbol.value < program.symbols.size(), "symbol {}", symbol.value);
  const Symbol& s = program.symbols[symbol.value];
  Tensor whole(s.full_rows, s.full_cols);
  const int64_t step = dtype_bytes(s.dtype);
  const int64_t sockets = s.shard.kind == ShardKind::kReplicated ? 1 : program.sockets;
  // From the last socket down, so that of several that hold the same shard the first counts.
  for (int64_t socket = sockets; socket-- > 0;) {
    const ShardPart part = part_of(s, socket, program.sockets);
    const std::vector<uint8_t>& tier = bytes(socket, s.tier);
    RDU_CHECK_OK(check_inside(s, part, tier.size()));
    for (int64_t r = 0; r < part.rows; ++r) {
      const uint8_t* from = tier.data() + s.offset_bytes + r * s.cols * step;
      for (int64_t c = 0; c < part.cols; ++c) {
        whole.at(part.whole_row(r), part.col_begin + c) = decode(from + c * step, s.dtype);
      }
    }
  }
  return whole;
}

}  // namespace rdusim::sim
