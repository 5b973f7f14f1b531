#include "sim/memory_unit.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "sim/hardware.h"
#include "sim/timeline.h"
#include "sim/values.h"

namespace rdusim::sim {

MemoryUnit::MemoryUnit(SectionContext& context, const Unit& unit, size_t unit_index, int64_t socket)
    : Component(context, unit, unit_index, socket),
      stream_(*unit.stream),
      symbol_(&context.symbol(unit.stream->argument)),
      moves_(context.program, context.section, stream_, *symbol_, context.node.chip, socket),
      port_(context.hardware->memory_port(socket, symbol_->tier)),
      sram_free_cycle_(context.begin_cycle) {
  access_.order = context.turn_ranks[unit_index];
  if (context.timeline != nullptr) {
    tier_track_ = context.timeline->track(fmt::format("socket {} / {}", socket, tier_name(symbol_->tier)));
  }
}

Transfer MemoryUnit::move(tlm::tlm_command command, int64_t address, int64_t bytes, int64_t runs) {
  const int64_t now = now_cycle();
  if (bytes == 0) return {now, now, now};
  if (moves_.counts_bytes(command == tlm::TLM_WRITE_COMMAND)) {
    count_bytes(moves_.wire, moves_.cause, bytes);
  } else {
    counters_.work.operand_bytes[static_cast<size_t>(moves_.cause)] += bytes;
  }
  if (port_ == nullptr) {
    const int64_t start = std::max(now, sram_free_cycle_);
    sram_free_cycle_ = start + moves_.sram_cycles(bytes);
    return {start, sram_free_cycle_, sram_free_cycle_};
  }
  access_.bytes = moves_.channel_bytes(bytes, runs);
  const Transfer transfer = port_->transfer(command, address, access_);
  if (context_.timeline != nullptr) {
    context_.timeline->busy(tier_track_, unit_.name, transfer.start_cycle - context_.begin_cycle,
                            transfer.finish_cycle - context_.begin_cycle);
  }
  return transfer;
}

void MemoryUnit::begin_iteration() {
  const int64_t per_iteration = context_.firings_per_iteration(unit_index_);
  if (counters_.firings % per_iteration != 0) return;
  const int64_t iteration = counters_.firings / per_iteration;
  symbol_ = &context_.symbol(stream_.argument, iteration);
  access_.priority = context_.priority(stream_, iteration);
}

uint8_t* MemoryUnit::memory_bytes(int64_t address) {
  std::vector<uint8_t>& tier = context_.memory->bytes(socket_, symbol_->tier);
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
    begin_iteration();
    if (firing > 0 && firing % context_.firings_per_iteration(unit_index_) == 0) await_iteration();
    const int64_t space = await_outputs();
    if (stream_.gather) {
      gather(space);
    } else {
      const int64_t segment = walk.segment();
      load_rows(segment, moves_.clip_rows(walk.next()), space);
    }
    finish_firing();
  }
}

void LoadUnit::await_iteration() {
  for (TokenChannel* channel : awaited_) {
    await_token(*channel);
    iteration_cycle_ = std::max(iteration_cycle_, channel->take().ready_cycle);
    channel->release(iteration_cycle_);
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

void LoadUnit::load_rows(int64_t segment, ShardRange rows, int64_t space_cycle) {
  process()->wait_until(std::max({space_cycle, iteration_cycle_, begin_cycle_}));
  Tile tile{{rows.size, moves_.cols, functional() ? rows.begin : 0, functional() ? stream_.col_begin : 0},
            nullptr};
  const int64_t bytes = tile.extent.elements() * dtype_bytes(symbol_->dtype);
  const int64_t address = address_of(stream_.symbol_row(segment, rows.begin));
  const Transfer transfer = move(tlm::TLM_READ_COMMAND, address, bytes, moves_.contiguous_runs(rows.size));
  if (functional()) tile.values = read_rows(segment, rows);
  block_until(space_cycle);
  starve_until(transfer.start_cycle);
  work_until(transfer.finish_cycle);
  emit(outputs_, tile, transfer.first_cycle(), std::max(transfer.done_cycle, now_cycle()));
}

void LoadUnit::gather(int64_t space_cycle) {
  await_token(*input_);
  const Token token = input_->take();
  process()->wait_until(std::max({space_cycle, token.ready_cycle, begin_cycle_}));
  const int64_t rows = token.tile.extent.rows;
  Tile tile{{rows, moves_.cols, token.tile.extent.row0, functional() ? stream_.col_begin : 0}, nullptr};
  if (functional()) {
    auto values = std::make_shared<std::vector<float>>();
    for (int64_t i = 0; i < rows; ++i) {
      const auto row =
          static_cast<int64_t>((*token.tile.values)[static_cast<size_t>(i * token.tile.extent.cols)]);
      if (row < 0 || row >= moves_.shard_rows) {
        fail(Error{ErrorCode::kOutOfRange, "gather",
                   fmt::format("row number {} is outside symbol {} of {} rows", row, symbol_->name,
                               moves_.shard_rows),
                   ""});
      }
      const Values one = read_rows(0, {row, 1});
      values->insert(values->end(), one->begin(), one->end());
    }
    tile.values = std::move(values);
  }
  const int64_t bytes = tile.extent.elements() * dtype_bytes(symbol_->dtype);
  const Transfer transfer = move(tlm::TLM_READ_COMMAND, address_of(0), bytes, std::max<int64_t>(1, rows));
  starve_until(token.ready_cycle);
  block_until(space_cycle);
  starve_until(transfer.start_cycle);
  work_until(transfer.finish_cycle);
  input_->release(std::max(time_, now_cycle()));
  emit(outputs_, tile, transfer.first_cycle(), std::max(transfer.done_cycle, now_cycle()));
}

Values LoadUnit::read_rows(int64_t segment, ShardRange rows) {
  std::vector<float> out;
  out.reserve(static_cast<size_t>(rows.size * moves_.cols));
  const int64_t step = dtype_bytes(symbol_->dtype);
  for (int64_t r = rows.begin; r < rows.begin + rows.size; ++r) {
    const uint8_t* bytes = memory_bytes(address_of(stream_.symbol_row(segment, r)));
    for (int64_t c = 0; c < moves_.cols; ++c) out.push_back(decode(bytes + c * step, symbol_->dtype));
  }
  return std::make_shared<const std::vector<float>>(std::move(out));
}

StoreUnit::StoreUnit(SectionContext& context, const Unit& unit, size_t unit_index, int64_t socket,
                     TokenChannel* input)
    : MemoryUnit(context, unit, unit_index, socket), input_(input) {}

void StoreUnit::run() {
  StreamWalk walk(stream_);
  for (int64_t firing = 0; firing < unit_.firings; ++firing) {
    begin_iteration();
    await_token(*input_);
    const Token token = input_->take();
    process()->wait_until(std::max(token.ready_cycle, begin_cycle_));
    starve_until(token.ready_cycle);
    const int64_t segment = walk.segment();
    store(segment, moves_.clip_rows(walk.next()), token.tile);
    input_->release(std::max(time_, now_cycle()));
    finish_firing();
  }
}

void StoreUnit::store(int64_t segment, ShardRange rows, const Tile& tile) {
  if (tile.extent.rows != rows.size || tile.extent.cols != moves_.cols) {
    fail(Error{ErrorCode::kInvalidInput, "stream",
               fmt::format("a token of [{},{}] comes where the stream has [{},{}] of symbol {}",
                           tile.extent.rows, tile.extent.cols, rows.size, moves_.cols, symbol_->name),
               ""});
  }
  const int64_t bytes = tile.extent.elements() * dtype_bytes(symbol_->dtype);
  const int64_t address = address_of(stream_.symbol_row(segment, rows.begin));
  const Transfer transfer = move(tlm::TLM_WRITE_COMMAND, address, bytes, moves_.contiguous_runs(rows.size));
  if (functional()) {
    const int64_t step = dtype_bytes(symbol_->dtype);
    for (int64_t r = 0; r < rows.size; ++r) {
      uint8_t* to = memory_bytes(address_of(stream_.symbol_row(segment, rows.begin + r)));
      for (int64_t c = 0; c < moves_.cols; ++c) {
        encode((*tile.values)[static_cast<size_t>(r * moves_.cols + c)], to + c * step, symbol_->dtype);
      }
    }
  }
  block_until(transfer.start_cycle);
  work_until(transfer.finish_cycle);
  end_cycle_ = std::max(end_cycle_, transfer.done_cycle);
}

}  // namespace rdusim::sim
