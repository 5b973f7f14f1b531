// Load and store units of the cycle engine: tokens become requests at real addresses, and data tokens.
//
//   load   a token begins when every output channel has a slot; requests follow each other as the tier lets
//          them; data that have come leave for the PMUs at once, through the stream's AGCU ports
//   store  a token is read from its channel into the AGCU and written to memory as its bytes come; writes are
//          posted: what the memory has in its queues, the AGCU has done with. A controller lets reads go
//          first as long as few writes wait, so a store that waited for each to be made would hold up its
//          pipeline until the weights are there. The launch is over when all are made
//
// Timing runs know no row numbers: a gather's rows lie a prime number of rows apart.
#pragma once

#include <deque>

#include "sim/cycle/engine.h"
#include "sim/stream_access.h"

namespace rdusim::sim::cycle {

class StreamUnit : public CycleUnit {
 public:
  StreamUnit(Engine& engine, size_t index);
  [[nodiscard]] Tier tier() const { return tier_; }
  [[nodiscard]] bool goes_before(const StreamUnit& other) const;

  struct Request {
    uint64_t address = 0;
    int64_t bytes = 0;
    bool write = false;
    uint32_t piece = 0;
  };
  [[nodiscard]] bool has_request() const;
  // Of the request.
  [[nodiscard]] int64_t asking_iteration() const {
    return (static_cast<int64_t>(first_) + static_cast<int64_t>(asking_)) / firings_per_iteration_;
  }
  // Only while there is one.
  Request next_request();

  void advance() override;
  void operand(CycleChannel& c, Read& read, int64_t vectors) override;
  void data(uint32_t piece) override;
  void event(uint32_t what) override;  // a token of the SRAM tier has moved
  [[nodiscard]] UnitCounters counters() const override;

 private:
  struct Transfer {
    int64_t offset = 0;  // of the symbol
    int64_t segment = 0;
    int64_t row = 0;  // first
    int64_t rows = 0;
    int64_t bytes = 0;
    int64_t asked = 0;       // bytes, in order
    int64_t arrived = 0;     // bytes at the AGCU: from memory, or from the channel
    int64_t done = 0;        // bytes
    int64_t wire_bytes = 0;  // of a store: of the token in the channel's format, which may be a wider one
    int64_t came = 0;        // ... that have come
    int64_t consumed = 0;    // vectors of a store's read
    std::vector<int64_t> tokens{};  // by output channel
    std::vector<int64_t> sent{};    // bursts
  };
  bool begin();
  void send(Transfer& transfer);
  void complete();
  void skip_empty();
  // Transfers of which nothing is left to do but to be written.
  [[nodiscard]] size_t posted() const { return store_ ? asking_ : 0; }
  [[nodiscard]] bool iteration_may_begin() const;
  [[nodiscard]] int64_t piece_bytes(const Transfer& t) const;
  [[nodiscard]] uint64_t address(const Transfer& t, int64_t at) const;
  void measure(bool busy);

  const MemoryStream& stream_;
  const Symbol& symbol_;
  const bool store_;
  Tier tier_;
  StreamAccess moves_;
  StreamWalk rows_;
  int64_t rank_;
  int64_t run_bytes_ = 0;  // contiguous
  std::deque<Transfer> transfers_;
  uint32_t first_ = 0;  // number of transfers_.front()
  size_t asking_ = 0;   // index of the transfer whose requests go out next
  int64_t sram_free_ = 0;
  int64_t gathered_ = 0;
  int64_t under_way_ = 0;  // requests
  int64_t since_ = 0;
  int64_t blocked_since_ = -1;
};

}  // namespace rdusim::sim::cycle
