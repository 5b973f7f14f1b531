// StampChannel: token_channel.h without values: the stamps and shapes of the tokens in flight, in flat rings.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "base/program/program.h"
#include "sim/state_walk.h"

namespace rdusim::sim {

template <typename Stamp>
class StampUnit;

template <typename Stamp>
struct StampToken {
  Stamp ready{};
  int64_t rows = 0;
  int64_t cols = 0;
};

template <typename Stamp>
class StampChannel {
 public:
  using Token = StampToken<Stamp>;
  using Unit = StampUnit<Stamp>;

  // `bytes_per_cycle` 0: the tokens do not cross the RDN. Whoever waits here is put on `ready` when it can go
  // on. `number`: the section's, of a critical path's steps.
  StampChannel(uint32_t number, DType dtype, int64_t capacity_tokens, int64_t latency_cycles,
               int64_t bytes_per_cycle, std::vector<Unit*>& ready)
      : tokens_(static_cast<size_t>(capacity_tokens)),
        free_(static_cast<size_t>(capacity_tokens)),
        capacity_(capacity_tokens),
        latency_cycles_(latency_cycles),
        bytes_per_cycle_(bytes_per_cycle),
        element_bytes_(dtype_bytes(dtype)),
        number_(number),
        ready_(&ready) {}

  // --- producer
  [[nodiscard]] bool has_space() const { return in_use_ < capacity_; }
  [[nodiscard]] const Stamp& space() const { return free_[claim_at_]; }
  void claim() {
    ++in_use_;
    step(claim_at_);
  }
  // The token leaves its producer from `first` to `last` and passes the links.
  void send(const Stamp& first, Stamp last, int64_t rows, int64_t cols) {
    if (bytes_per_cycle_ > 0) {
      if (rows * cols != carried_elements_) measure(rows * cols);
      const double exact =
          static_cast<double>(rows * cols * element_bytes_) / static_cast<double>(bytes_per_cycle_);
      const Step passing{StepKind::kRdnTransfer, number_, exact};
      last = links_free_ = later(last, after(later(links_free_, first), carried_cycles_, passing));
    }
    const Step hops{StepKind::kRdnLatency, number_, static_cast<double>(latency_cycles_)};
    write({after(last, latency_cycles_, hops), rows, cols});
  }
  void write(const Token& token) {
    elements_written_ += token.rows * token.cols;
    tokens_[write_at_] = token;
    step(write_at_);
    ++written_;
    ++waiting_;
    wake(waiting_consumer);
  }

  // --- consumer
  [[nodiscard]] bool has_token() const { return waiting_ > 0; }
  const Token& take() {
    const Token& token = tokens_[take_at_];
    step(take_at_);
    ++taken_;
    --waiting_;
    return token;
  }
  void release(const Stamp& at) {
    free_[release_at_] = at;
    step(release_at_);
    ++released_;
    --in_use_;
    wake(waiting_producer);
  }

  [[nodiscard]] int64_t element_bytes() const { return element_bytes_; }
  [[nodiscard]] int64_t bytes_written() const { return elements_written_ * element_bytes_; }

  // Floors: before these cycles neither end reads a stamp (state_walk.h).
  void walk(StateWalk& state, int64_t producer_floor, int64_t consumer_floor);

  Unit* waiting_consumer = nullptr;
  Unit* waiting_producer = nullptr;

 private:
  void step(size_t& at) const {
    if (++at == tokens_.size()) at = 0;
  }
  void measure(int64_t elements) {
    carried_elements_ = elements;
    carried_cycles_ = (elements * element_bytes_ + bytes_per_cycle_ - 1) / bytes_per_cycle_;
  }
  void wake(Unit*& unit) {
    if (unit == nullptr) return;
    ready_->push_back(unit);
    unit = nullptr;
  }

  std::vector<Token> tokens_;
  std::vector<Stamp> free_;  // when the slot was last freed
  int64_t capacity_;
  int64_t latency_cycles_;
  int64_t bytes_per_cycle_;
  int64_t element_bytes_;
  uint32_t number_;
  std::vector<Unit*>* ready_;
  int64_t carried_elements_ = -1;  // of the last token that crossed the links, and its cycles on them
  int64_t carried_cycles_ = 0;
  Stamp links_free_{};
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
