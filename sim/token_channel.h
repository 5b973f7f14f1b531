// TokenChannel: the bounded stream between two units. Capacity, latency and back-pressure live here.
//
//   producer --claim--> [ slot | slot | ... ] --take--> consumer --release--> slot is free again
//
// Every token carries the cycle it becomes readable, every slot the cycle it became free. Units therefore
// compute their times from these stamps (max-plus) and touch the event kernel only when a token or slot is
// not known yet; that is exact because a channel has one writer and one reader, so no order between units is
// lost. What has contention (memory, links) is asked at its true simulated time instead (server.h).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/dtype.h"
#include "base/program/tile.h"

namespace rdusim::sim {

class Component;
class UnitProcess;

struct Token {
  int64_t ready_cycle = 0;  // absolute
  Tile tile;
};

class TokenChannel {
 public:
  // `bytes_per_cycle`: rate of the RDN links that carry the tokens; 0: they do not cross the RDN.
  TokenChannel(std::string name, DType dtype, int64_t capacity_tokens, int64_t latency_cycles,
               int64_t bytes_per_cycle = 0)
      : name_(std::move(name)),
        dtype_(dtype),
        capacity_(capacity_tokens),
        latency_cycles_(latency_cycles),
        bytes_per_cycle_(bytes_per_cycle),
        slots_(static_cast<size_t>(capacity_tokens)),
        free_cycles_(slots_.size(), 0) {}

  // --- producer
  [[nodiscard]] bool has_space() const { return claimed_ - released_ < capacity_; }
  // Cycle at which the next slot was freed; 0 if it was never used. Requires has_space().
  [[nodiscard]] int64_t space_cycle() const {
    return claimed_ < capacity_ ? 0 : free_cycles_[static_cast<size_t>(claimed_ % capacity_)];
  }
  void claim() { ++claimed_; }
  // Cycle at which the next token is at the consumer. Its producer gives it from cycle `first` to `last`, and
  // what is there goes on at once: behind the tokens before it on the same links, its own transfer, and the
  // way. Its slot is taken meanwhile, so a slow link blocks the producer.
  int64_t carry(int64_t first, int64_t last, int64_t elements);
  // Puts the token, readable from its ready_cycle on, into the oldest claimed slot and wakes a waiting
  // consumer.
  void write(Token token);

  // --- consumer
  [[nodiscard]] bool has_token() const { return taken_ < written_; }
  Token take() { return std::move(slots_[static_cast<size_t>(taken_++ % capacity_)]); }
  // The oldest taken token has left its slot at `cycle`; wakes a waiting producer.
  void release(int64_t cycle);

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] DType dtype() const { return dtype_; }
  [[nodiscard]] int64_t capacity_tokens() const { return capacity_; }
  [[nodiscard]] int64_t fill_tokens() const { return written_ - released_; }
  [[nodiscard]] int64_t bytes_written() const { return elements_written_ * dtype_bytes(dtype_); }

  Component* producer = nullptr;  // both ends, for waking and for the deadlock report
  Component* consumer = nullptr;
  UnitProcess* waiting_consumer = nullptr;
  UnitProcess* waiting_producer = nullptr;

 private:
  std::string name_;
  DType dtype_;
  int64_t capacity_;
  int64_t latency_cycles_;
  int64_t bytes_per_cycle_;
  int64_t links_free_cycle_ = 0;
  std::vector<Token> slots_;  // token n is in slot n mod capacity
  std::vector<int64_t> free_cycles_;
  int64_t claimed_ = 0;
  int64_t written_ = 0;
  int64_t taken_ = 0;
  int64_t released_ = 0;
  int64_t elements_written_ = 0;
};

}  // namespace rdusim::sim
