// StampChannel: token_channel.h without values: the stamps and shapes of the tokens in flight, in flat rings.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "base/program/program.h"
#include "sim/state_walk.h"

namespace rdusim::sim {

class StampUnit;

struct StampToken {
  int64_t ready_cycle = 0;
  int64_t rows = 0;
  int64_t cols = 0;
};

class StampChannel {
 public:
  // `bytes_per_cycle` 0: the tokens do not cross the RDN. Whoever waits here is put on `ready` when it can go
  // on.
  StampChannel(DType dtype, int64_t capacity_tokens, int64_t latency_cycles, int64_t bytes_per_cycle,
               std::vector<StampUnit*>& ready)
      : tokens_(static_cast<size_t>(capacity_tokens)),
        free_cycles_(static_cast<size_t>(capacity_tokens), 0),
        capacity_(capacity_tokens),
        latency_cycles_(latency_cycles),
        bytes_per_cycle_(bytes_per_cycle),
        element_bytes_(dtype_bytes(dtype)),
        ready_(&ready) {}

  // --- producer
  [[nodiscard]] bool has_space() const { return in_use_ < capacity_; }
  [[nodiscard]] int64_t space_cycle() const { return free_cycles_[claim_at_]; }
  void claim() {
    ++in_use_;
    step(claim_at_);
  }
  // The token leaves its producer from cycle `first` to `last` and passes the links.
  void send(int64_t first, int64_t last, int64_t rows, int64_t cols) {
    if (bytes_per_cycle_ > 0) {
      if (rows * cols != carried_elements_) measure(rows * cols);
      last = links_free_cycle_ = std::max(last, std::max(links_free_cycle_, first) + carried_cycles_);
    }
    write({last + latency_cycles_, rows, cols});
  }
  void write(const StampToken& token) {
    elements_written_ += token.rows * token.cols;
    tokens_[write_at_] = token;
    step(write_at_);
    ++written_;
    ++waiting_;
    wake(waiting_consumer);
  }

  // --- consumer
  [[nodiscard]] bool has_token() const { return waiting_ > 0; }
  const StampToken& take() {
    const StampToken& token = tokens_[take_at_];
    step(take_at_);
    ++taken_;
    --waiting_;
    return token;
  }
  void release(int64_t cycle) {
    free_cycles_[release_at_] = cycle;
    step(release_at_);
    ++released_;
    --in_use_;
    wake(waiting_producer);
  }

  [[nodiscard]] int64_t element_bytes() const { return element_bytes_; }
  [[nodiscard]] int64_t bytes_written() const { return elements_written_ * element_bytes_; }

  // Floors: before these cycles neither end reads a stamp (state_walk.h).
  void walk(StateWalk& state, int64_t producer_floor, int64_t consumer_floor);

  StampUnit* waiting_consumer = nullptr;
  StampUnit* waiting_producer = nullptr;

 private:
  void step(size_t& at) const {
    if (++at == tokens_.size()) at = 0;
  }
  void measure(int64_t elements) {
    carried_elements_ = elements;
    carried_cycles_ = (elements * element_bytes_ + bytes_per_cycle_ - 1) / bytes_per_cycle_;
  }
  void wake(StampUnit*& unit) {
    if (unit == nullptr) return;
    ready_->push_back(unit);
    unit = nullptr;
  }

  std::vector<StampToken> tokens_;
  std::vector<int64_t> free_cycles_;  // when the slot was last freed
  int64_t capacity_;
  int64_t latency_cycles_;
  int64_t bytes_per_cycle_;
  int64_t element_bytes_;
  std::vector<StampUnit*>* ready_;
  int64_t carried_elements_ = -1;  // of the last token that crossed the links, and its cycles on them
  int64_t carried_cycles_ = 0;
  int64_t links_free_cycle_ = 0;
  int64_t in_use_ = 0;   // slots claimed, not yet released
  int64_t waiting_ = 0;  // tokens written, not yet taken
  size_t claim_at_ = 0;
  size_t write_at_ = 0;
  size_t take_at_ = 0;
  size_t release_at_ = 0;
  int64_t written_ = 0;
  int64_t taken_ = 0;
  int64_t released_ = 0;
  int64_t elements_written_ = 0;
};

}  // namespace rdusim::sim
