// Load and store units: AGCU streams between a symbol and a channel.
//
//   load:  [row numbers ->] request -> memory channel -> output channels     (goes ahead while its channels
//   have space) store: input channel -> request -> memory channel
//
// A stream has one request waiting at its memory channel; it posts the next when that is granted, so the
// channel never idles for it and arbitration is by token. Symbols in SRAM are read and written at the rate of
// the PMUs that hold them. A socket with a smaller shard moves what it has; tokens outside its shard are
// empty and cost nothing.
#pragma once

#include <vector>

#include "sim/component.h"
#include "sim/memory_controller.h"
#include "sim/stream_access.h"
#include "sim/values.h"

namespace rdusim::sim {

class MemoryUnit : public Component {
 protected:
  MemoryUnit(SectionContext& context, const Unit& unit, size_t unit_index, int64_t socket);

  // `runs` contiguous runs that make up `bytes` at `address`. Blocks until granted.
  Transfer move(tlm::tlm_command command, int64_t address, int64_t bytes, int64_t runs);
  [[nodiscard]] int64_t address_of(int64_t row) const {
    return symbol_->offset_bytes + (row * symbol_->cols + stream_.col_begin) * dtype_bytes(symbol_->dtype);
  }
  // Of a looping launch that prefetches: the symbol and the place at the memory channel of the next firing.
  void begin_iteration();
  [[nodiscard]] uint8_t* memory_bytes(int64_t address);

  const MemoryStream& stream_;
  const Symbol* symbol_;  // of the iteration; all are of one tier and shape
  const StreamAccess moves_;

 private:
  AgcuPort* port_;  // null: SRAM
  int64_t sram_free_cycle_;
  MemoryAccess access_;
  int tier_track_ = 0;
};

class LoadUnit : public MemoryUnit {
 public:
  LoadUnit(SectionContext& context, const Unit& unit, size_t unit_index, int64_t socket, TokenChannel* input,
           std::vector<TokenChannel*> outputs);
  void run() override;
  void wait_for(TokenChannel* iteration_end) override { awaited_.push_back(iteration_end); }

 private:
  void await_iteration();
  int64_t await_outputs();
  void load_rows(int64_t segment, ShardRange rows, int64_t space_cycle);
  void gather(int64_t space_cycle);
  [[nodiscard]] Values read_rows(int64_t segment, ShardRange rows);

  TokenChannel* input_;  // row numbers of a gather; null otherwise
  std::vector<TokenChannel*> outputs_;
  std::vector<TokenChannel*> awaited_;  // ends of an iteration that the next one needs
  int64_t iteration_cycle_ = 0;         // before which no request of the iteration goes out
};

class StoreUnit : public MemoryUnit {
 public:
  StoreUnit(SectionContext& context, const Unit& unit, size_t unit_index, int64_t socket,
            TokenChannel* input);
  void run() override;

 private:
  void store(int64_t segment, ShardRange rows, const Tile& tile);
  TokenChannel* input_;
};

}  // namespace rdusim::sim
