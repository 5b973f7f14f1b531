// Turns at what units contend for, as server.h takes them: a server chooses among all requests that have
// arrived by the end of a cycle, so it may choose when no request of that cycle or an earlier one can still
// come. Decisions of cycle d have effects from cycle d + 1 on; so the engine lets the server with the
// earliest decision go first.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "sim/service_clock.h"
#include "sim/stamp_channel.h"

namespace rdusim::sim {

inline constexpr int64_t kNoDecision = std::numeric_limits<int64_t>::max();

class StampStream;  // a load or store unit
class StampSend;

// A memory channel: lowest priority number first, then lowest order. Each stream has one request at a time.
struct MemoryTurn {
  int64_t arrival_cycle = 0;
  int64_t priority = 0;
  int64_t order = 0;
  int64_t bytes = 0;
  StampStream* stream = nullptr;
};

class MemoryTurns {
 public:
  // The turn stays where it is until it is taken.
  void post(const MemoryTurn& turn) {
    waiting_.push_back(&turn);
    earliest_ = std::min(earliest_, turn.arrival_cycle);
    ++events_;
  }
  [[nodiscard]] int64_t next_decision() const {
    return waiting_.empty() ? kNoDecision : std::max(clock.free_cycle(), earliest_);
  }
  // The best of those that have arrived by `cycle`, which is next_decision().
  const MemoryTurn& take(int64_t cycle);
  void walk(StateWalk& state, int64_t from);  // after the streams

  ServiceClock clock;

 private:
  void find_earliest();
  std::vector<const MemoryTurn*> waiting_;
  int64_t earliest_ = kNoDecision;
  int64_t events_ = 0;
};

// A link port: first come, first served; ties by order. Messages pass the egress port, then the ingress port
// of the peer, whose part is played by our own (exchange_unit.h).
struct MessageTurn {
  int64_t arrival_cycle = 0;
  int64_t order = 0;
  int64_t sent_bytes = 0;
  int64_t received_bytes = 0;
  int64_t rows = 0;
  int64_t cols = 0;
  StampChannel* mailbox = nullptr;
  StampSend* sender = nullptr;  // woken when the message has left; null: another message will do that
};

class LinkTurns {
 public:
  void post(const MessageTurn& turn);
  [[nodiscard]] int64_t next_decision() const {
    return head_ == waiting_.size() ? kNoDecision
                                    : std::max(clock.free_cycle(), waiting_[head_].arrival_cycle);
  }
  MessageTurn take() {
    ++events_;
    return waiting_[head_++];
  }
  void walk(StateWalk& state, int64_t from);

  ServiceClock clock;

 private:
  std::vector<MessageTurn> waiting_;  // from head_ on, in the order of service
  size_t head_ = 0;
  int64_t events_ = 0;
};

}  // namespace rdusim::sim
