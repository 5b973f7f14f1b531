// What a load or store unit moves, token by token: which rows, how many bytes on the memory channel, and why.
// The same for both executors of the event fidelity.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>

#include "base/arch/chip.h"
#include "base/program/program.h"
#include "base/program/run_result.h"

namespace rdusim::sim {

// Walks the tokens of a stream.
class StreamWalk {
 public:
  explicit StreamWalk(const MemoryStream& stream) : stream_(&stream) {}
  // Segment of the next token.
  [[nodiscard]] int64_t segment() const { return segment_; }
  // First row (without the ring) and number of rows of the next token, before clipping to the shard.
  ShardRange next() {
    const int64_t size = std::min(stream_->rows_per_token, stream_->rows - row_);
    const ShardRange range{stream_->begin + segment_ * stream_->stride + row_, size};
    row_ += size;
    if (row_ == stream_->rows) {
      row_ = 0;
      if (++segment_ == stream_->segments) segment_ = 0;  // the next repeat
    }
    return range;
  }
  // Makes token `number` (from 0) the next.
  void seek(int64_t number) {
    const int64_t per_segment = stream_->tokens_per_segment();
    segment_ = number / per_segment % stream_->segments;
    row_ = number % per_segment * stream_->rows_per_token;
  }

 private:
  const MemoryStream* stream_;
  int64_t segment_ = 0;
  int64_t row_ = 0;
};

struct StreamAccess {
  StreamAccess(const Program& program, const Section& section, const MemoryStream& stream,
               const Symbol& symbol, const ChipSpec& chip, int64_t socket);

  // What of the rows [begin, begin + size) this socket has.
  [[nodiscard]] ShardRange clip_rows(ShardRange rows) const {
    if (ring) return rows;  // of a whole symbol
    return {rows.begin, std::clamp<int64_t>(shard_rows - rows.begin, 0, rows.size)};
  }
  [[nodiscard]] int64_t contiguous_runs(int64_t rows) const { return cols == symbol_cols ? 1 : rows; }
  // On the memory channel: each of `runs` contiguous runs is rounded up to bursts. APPROX: a token over the
  // end of a ring counts as one run; it is one burst more at most.
  [[nodiscard]] int64_t channel_bytes(int64_t bytes, int64_t runs) const {
    if (burst_bytes <= 0) return bytes;
    return (bytes / runs + burst_bytes - 1) / burst_bytes * burst_bytes * runs;
  }
  [[nodiscard]] int64_t sram_cycles(int64_t bytes) const {
    return (bytes + sram_bytes_per_cycle - 1) / sram_bytes_per_cycle;
  }
  // Reading SRAM moves nothing over a wire that is counted; it is an operand read.
  [[nodiscard]] bool counts_bytes(bool write) const { return wire != Wire::kSram || write; }
  // Tokens from number `from` on that have the extent of token `from`; 0 if that is not known in closed form.
  [[nodiscard]] int64_t alike_tokens(const MemoryStream& stream, int64_t from) const;

  Wire wire;
  Cause cause;
  int64_t shard_rows;  // of this socket
  int64_t cols;        // of the stream on this socket
  int64_t symbol_cols;
  int64_t element_bytes;
  int64_t burst_bytes;
  int64_t sram_bytes_per_cycle;
  bool ring;
};

}  // namespace rdusim::sim
