#include "sim/memory_unit.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "sim/hardware.h"
#include "sim/timeline.h"
#include "sim/values.h"

namespace rdusim::sim {

ShardRange StreamWalk::next() {
  const int64_t size = std::min(stream_.rows_per_token, stream_.rows - row_);
  const ShardRange range{stream_.begin + segment_ * stream_.stride + row_, size};
  row_ += size;
  if (row_ == stream_.rows) {
    row_ = 0;
    if (++segment_ == stream_.segments) segment_ = 0;  // the next repeat
  }
  return range;
}

MemoryUnit::MemoryUnit(SectionContext& context, const Unit& unit, size_t unit_index, int64_t socket)
    : Component(context, unit, unit_index, socket),
      stream_(*unit.stream),
      symbol_(context.symbol(unit.stream->argument)),
      shard_rows_(symbol_.rows),
      cols_(stream_.cols),
      wire_(static_cast<Wire>(symbol_.tier)),
      cause_(context.section.arguments[unit.stream->argument.value].cause),
      port_(context.hardware.memory_port(socket, symbol_.tier)),
      burst_bytes_((symbol_.tier == Tier::kHbm ? context.node.chip.hbm : context.node.chip.ddr).burst_bytes),
      sram_free_cycle_(context.begin_cycle) {
  static_assert(static_cast<int>(Wire::kSram) == static_cast<int>(Tier::kSram) &&
                static_cast<int>(Wire::kDdr) == static_cast<int>(Tier::kDdr));
  int64_t shard_cols = symbol_.cols;
  if (symbol_.shard.kind == ShardKind::kRows) {
    shard_rows_ = shard_range(symbol_.shard, symbol_.full_rows, socket, context.program.sockets).size;
  } else if (symbol_.shard.kind == ShardKind::kCols) {
    shard_cols = shard_range(symbol_.shard, symbol_.full_cols, socket, context.program.sockets).size;
  }
  cols_ = std::clamp<int64_t>(shard_cols - stream_.col_begin, 0, stream_.cols);
  const PmuSpec& pmu = context.node.chip.pmu;
  const int64_t pmus = (symbol_.bytes() + pmu.capacity_bytes - 1) / pmu.capacity_bytes;
  sram_bytes_per_cycle_ = std::max<int64_t>(1, pmus) * pmu.port_bytes_per_cycle;
  access_.priority = stream_.priority;
  access_.order = static_cast<int64_t>(unit_index);
  if (context.timeline != nullptr) {
    tier_track_ = context.timeline->track(fmt::format("socket {} / {}", socket, tier_name(symbol_.tier)));
  }
}

ShardRange MemoryUnit::clip_rows(ShardRange rows) const {
  return {rows.begin, std::clamp<int64_t>(shard_rows_ - rows.begin, 0, rows.size)};
}

Transfer MemoryUnit::move(tlm::tlm_command command, int64_t address, int64_t bytes, int64_t runs) {
  const int64_t now = now_cycle();
  if (bytes == 0) return {now, now, now};
  if (wire_ != Wire::kSram || command == tlm::TLM_WRITE_COMMAND) count_bytes(wire_, cause_, bytes);
  if (port_ == nullptr) {
    const int64_t start = std::max(now, sram_free_cycle_);
    sram_free_cycle_ = start + (bytes + sram_bytes_per_cycle_ - 1) / sram_bytes_per_cycle_;
    return {start, sram_free_cycle_, sram_free_cycle_};
  }
  const int64_t run = (bytes / runs + burst_bytes_ - 1) / burst_bytes_ * burst_bytes_;
  access_.bytes = burst_bytes_ > 0 ? run * runs : bytes;
  const Transfer transfer = port_->transfer(command, address, access_);
  if (context_.timeline != nullptr) {
    context_.timeline->busy(tier_track_, unit_.name, transfer.start_cycle - context_.begin_cycle,
                            transfer.finish_cycle - context_.begin_cycle);
  }
  return transfer;
}

uint8_t* MemoryUnit::memory_bytes(int64_t address) {
  std::vector<uint8_t>& tier = context_.memory->bytes(socket_, symbol_.tier);
  RDU_CHECK(address >= 0 && static_cast<size_t>(address) <= tier.size(), "address {} of {}", address,
            tier.size());
  return tier.data() + address;
}

LoadUnit::LoadUnit(SectionContext& context, const Unit& unit, size_t unit_index, int64_t socket,
                   TokenChannel* input, std::vector<TokenChannel*> outputs)
    : MemoryUnit(context, unit, unit_index, socket), input_(input), outputs_(std::move(outputs)) {}

void LoadUnit::run() {
  StreamWalk walk(stream_);
  for (int64_t firing = 0; firing < unit_.firings; ++firing) {
    const int64_t space = await_outputs();
    if (stream_.gather) {
      gather(space);
    } else {
      load_rows(clip_rows(walk.next()), space);
    }
    ++counters_.firings;
  }
}

int64_t LoadUnit::await_outputs() {
  int64_t space = 0;
  for (TokenChannel* channel : outputs_) {
    await_space(*channel);
    space = std::max(space, channel->space_cycle());
    channel->claim();
  }
  return space;
}

void LoadUnit::load_rows(ShardRange rows, int64_t space_cycle) {
  process()->wait_until(std::max(space_cycle, context_.begin_cycle));
  Tile tile{{rows.size, cols_, functional() ? rows.begin : 0, functional() ? stream_.col_begin : 0}, nullptr};
  const int64_t bytes = tile.extent.elements() * dtype_bytes(symbol_.dtype);
  const Transfer transfer =
      move(tlm::TLM_READ_COMMAND, address_of(rows.begin), bytes, contiguous_runs(rows.size));
  if (functional()) tile.values = read_rows(rows);
  block_until(space_cycle);
  starve_until(transfer.start_cycle);
  work_until(transfer.finish_cycle);
  emit(outputs_, tile, std::max(transfer.done_cycle, now_cycle()));
}

void LoadUnit::gather(int64_t space_cycle) {
  await_token(*input_);
  const Token token = input_->take();
  process()->wait_until(std::max({space_cycle, token.ready_cycle, context_.begin_cycle}));
  const int64_t rows = token.tile.extent.rows;
  Tile tile{{rows, cols_, token.tile.extent.row0, functional() ? stream_.col_begin : 0}, nullptr};
  if (functional()) {
    auto values = std::make_shared<std::vector<float>>();
    for (int64_t i = 0; i < rows; ++i) {
      const auto row =
          static_cast<int64_t>((*token.tile.values)[static_cast<size_t>(i * token.tile.extent.cols)]);
      if (row < 0 || row >= shard_rows_) {
        fail(Error{
            ErrorCode::kOutOfRange, "gather",
            fmt::format("row number {} is outside symbol {} of {} rows", row, symbol_.name, shard_rows_),
            ""});
      }
      const Values one = read_rows({row, 1});
      values->insert(values->end(), one->begin(), one->end());
    }
    tile.values = std::move(values);
  }
  const int64_t bytes = tile.extent.elements() * dtype_bytes(symbol_.dtype);
  const Transfer transfer = move(tlm::TLM_READ_COMMAND, address_of(0), bytes, std::max<int64_t>(1, rows));
  starve_until(token.ready_cycle);
  block_until(space_cycle);
  starve_until(transfer.start_cycle);
  work_until(transfer.finish_cycle);
  input_->release(std::max(time_, now_cycle()));
  emit(outputs_, tile, std::max(transfer.done_cycle, now_cycle()));
}

Values LoadUnit::read_rows(ShardRange rows) {
  std::vector<float> out;
  out.reserve(static_cast<size_t>(rows.size * cols_));
  const int64_t step = dtype_bytes(symbol_.dtype);
  for (int64_t r = rows.begin; r < rows.begin + rows.size; ++r) {
    const uint8_t* bytes = memory_bytes(address_of(r));
    for (int64_t c = 0; c < cols_; ++c) out.push_back(decode(bytes + c * step, symbol_.dtype));
  }
  return std::make_shared<const std::vector<float>>(std::move(out));
}

StoreUnit::StoreUnit(SectionContext& context, const Unit& unit, size_t unit_index, int64_t socket,
                     TokenChannel* input)
    : MemoryUnit(context, unit, unit_index, socket), input_(input) {}

void StoreUnit::run() {
  StreamWalk walk(stream_);
  for (int64_t firing = 0; firing < unit_.firings; ++firing) {
    await_token(*input_);
    const Token token = input_->take();
    process()->wait_until(token.ready_cycle);
    starve_until(token.ready_cycle);
    store(clip_rows(walk.next()), token.tile);
    input_->release(std::max(time_, now_cycle()));
    ++counters_.firings;
  }
}

void StoreUnit::store(ShardRange rows, const Tile& tile) {
  if (tile.extent.rows != rows.size || tile.extent.cols != cols_) {
    fail(Error{ErrorCode::kInvalidInput, "stream",
               fmt::format("a token of [{},{}] comes where the stream has [{},{}] of symbol {}",
                           tile.extent.rows, tile.extent.cols, rows.size, cols_, symbol_.name),
               ""});
  }
  const int64_t bytes = tile.extent.elements() * dtype_bytes(symbol_.dtype);
  const Transfer transfer =
      move(tlm::TLM_WRITE_COMMAND, address_of(rows.begin), bytes, contiguous_runs(rows.size));
  if (functional()) {
    const int64_t step = dtype_bytes(symbol_.dtype);
    for (int64_t r = 0; r < rows.size; ++r) {
      uint8_t* to = memory_bytes(address_of(rows.begin + r));
      for (int64_t c = 0; c < cols_; ++c) {
        encode((*tile.values)[static_cast<size_t>(r * cols_ + c)], to + c * step, symbol_.dtype);
      }
    }
  }
  block_until(transfer.start_cycle);
  work_until(transfer.finish_cycle);
  end_cycle_ = std::max(end_cycle_, transfer.done_cycle);
}

}  // namespace rdusim::sim
