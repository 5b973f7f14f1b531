// Turns at what units contend for, as server.h takes them: a server chooses among all requests that have
// arrived by the end of a cycle, so it may choose when no request of that cycle or an earlier one can still
// come. Decisions of cycle d have effects from cycle d + 1 on; so the engine lets the server with the
// earliest decision go first.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "sim/service_clock.h"
#include "sim/stamp.h"
#include "sim/stamp_channel.h"

namespace rdusim::sim {

inline constexpr int64_t kNoDecision = std::numeric_limits<int64_t>::max();

template <typename Stamp>
class StampStream;  // a load or store unit
template <typename Stamp>
class StampSend;

// A memory channel: lowest priority number first, then lowest order. Each stream has one request at a time.
template <typename Stamp>
struct MemoryTurn {
  Stamp arrival{};
  int64_t priority = 0;
  int64_t order = 0;
  int64_t bytes = 0;
  uint32_t unit = 0;  // number of the stream
  StampStream<Stamp>* stream = nullptr;
};

// What a server decided, as stamps.
template <typename Stamp>
struct Service {
  Stamp start{};    // in the cycle in which the transfer starts
  Stamp started{};  // the first whole cycle from then on
  Stamp finish{};   // the first whole cycle after it
  Stamp decided{};  // the cycle after the decision, the first in which it has effects
};

// A ServiceClock and the history of its free time.
template <typename Stamp>
class StampServer {
 public:
  // `decision_cycle`: next_decision() of whoever takes turns here.
  Service<Stamp> serve(const Stamp& arrival, int64_t bytes, int64_t decision_cycle, StepKind kind,
                       uint32_t place) {
    cycle_ref(free_) = clock.free_cycle();  // periods may have been skipped
    const bool waited = cycle_of(arrival) <= cycle_of(free_);
    const ServiceClock::Span span = clock.serve(cycle_of(arrival), bytes);
    Service<Stamp> out;
    out.start = waited ? free_ : arrival;
    out.started = at_cycle(out.start, ceil_cycle(span.start_sub));
    constexpr double kCycle = double{1} / (int64_t{1} << kSubcycleBits);
    const Step step{kind, place, static_cast<double>(span.finish_sub - span.start_sub) * kCycle};
    free_ = after(out.start, (span.finish_sub >> kSubcycleBits) - cycle_of(out.start), step);
    out.finish = at_cycle(free_, ceil_cycle(span.finish_sub));
    out.decided = at_cycle(out.start, decision_cycle + 1);
    return out;
  }

  ServiceClock clock;

 private:
  Stamp free_{};  // in the cycle in which the clock is free
};

template <typename Stamp>
class MemoryTurns : public StampServer<Stamp> {
 public:
  using Turn = MemoryTurn<Stamp>;
  using StampServer<Stamp>::clock;

  // The turn stays where it is until it is taken.
  void post(const Turn& turn) {
    waiting_.push_back(&turn);
    earliest_ = std::min(earliest_, cycle_of(turn.arrival));
    ++events_;
  }
  [[nodiscard]] int64_t next_decision() const {
    return waiting_.empty() ? kNoDecision : std::max(clock.free_cycle(), earliest_);
  }
  // The best of those that have arrived by `cycle`, which is next_decision().
  const Turn& take(int64_t cycle);
  void walk(StateWalk& state, int64_t from);  // after the streams

 private:
  void find_earliest();
  std::vector<const Turn*> waiting_;
  int64_t earliest_ = kNoDecision;
  int64_t events_ = 0;
};

// A link port: first come, first served; ties by order. Messages pass the egress port, then the ingress port
// of the peer, whose part is played by our own (exchange_unit.h).
template <typename Stamp>
struct MessageTurn {
  Stamp arrival{};
  int64_t order = 0;
  int64_t sent_bytes = 0;
  int64_t received_bytes = 0;
  int64_t rows = 0;
  int64_t cols = 0;
  uint32_t unit = 0;  // that sends
  StampChannel<Stamp>* mailbox = nullptr;
  StampSend<Stamp>* sender = nullptr;  // woken when the message has left; null: another message will do that
};

template <typename Stamp>
class LinkTurns : public StampServer<Stamp> {
 public:
  using Turn = MessageTurn<Stamp>;
  using StampServer<Stamp>::clock;

  void post(const Turn& turn);
  [[nodiscard]] int64_t next_decision() const {
    return head_ == waiting_.size() ? kNoDecision
                                    : std::max(clock.free_cycle(), cycle_of(waiting_[head_].arrival));
  }
  Turn take() {
    ++events_;
    return waiting_[head_++];
  }
  void walk(StateWalk& state, int64_t from);

 private:
  std::vector<Turn> waiting_;  // from head_ on, in the order of service
  size_t head_ = 0;
  int64_t events_ = 0;
};

}  // namespace rdusim::sim
