// Send and receive units of the cycle engine. One socket stands for all: what it sends to its k-th next peer
// is what it gets from its k-th previous one (sim/exchange_unit.h).
//
// A send takes its token into the AGCU, hands its own part on and cuts the messages to the peers into packets
// with headers, which leave one after the other at the link's rate, behind those of other exchanges; the way
// in takes them at the same rate. Packets, headers and the window of credits as in sim/agcu/peer_link.h.
#include <algorithm>
#include <cmath>
#include <deque>

#include "sim/agcu/peer_link.h"
#include "sim/cycle/engine.h"
#include "sim/exchange_part.h"
#include "sim/exchange_unit.h"
#include "sim/resource_rates.h"

namespace rdusim::sim::cycle {

namespace {

// Tokens that the AGCU works on at once.
constexpr size_t kAhead = 2;

class ReceiveUnit : public CycleUnit {
 public:
  ReceiveUnit(Engine& engine, size_t index)
      : CycleUnit(engine, index),
        port_bytes_per_cycle_(engine.context().node.chip.agcu_ports *
                              engine.context().node.chip.agcu_port_bytes_per_cycle) {}

  // The last message of a token is in the landing buffer.
  void landed(int64_t cycle) { landed_.push_back(cycle); }
  [[nodiscard]] bool has_room(int64_t token) const { return token - done_ < kExchangeWindow; }
  void set_sender(CycleUnit* sender) { sender_ = sender; }

  void advance() override {
    while (begun_ < unit_.firings && begun_ == done_ && tokens_there(begun_)) {
      CycleChannel& own = *inputs_[0];
      const int64_t token = engine_.take(own);
      engine_.start_read(own, token, own.elements(token), true);
      ++begun_;
    }
    complete();
  }

  void operand(CycleChannel& c, Read&, int64_t vectors) override {
    engine_.consume(c, vectors, now() + vectors);
    complete();
  }

  void event(uint32_t) override {
    waiting_ = false;
    complete();
  }

 private:
  void wait_until(int64_t cycle) {
    if (!waiting_) engine_.add_event(cycle, EventKind::kUnit, static_cast<uint32_t>(index_), 0);
    waiting_ = true;
  }

  void complete() {
    if (begun_ == done_) return;
    CycleChannel& own = *inputs_[0];
    const Read& read = own.reads.front();
    if (read.arrived < read.bursts || own.active == 0) return;
    const int64_t sockets = engine_.context().program.sockets;
    if (sockets > 1 && landed_.empty()) return;
    if (sockets > 1 && landed_.front() > now()) return wait_until(landed_.front());
    if (!combined_) {
      const int64_t bytes = read.rows * read.cols * dtype_bytes(own.spec->dtype) * sockets;
      combined_ = true;
      free_cycle_ = now() + std::max<int64_t>(1, (bytes + port_bytes_per_cycle_ - 1) / port_bytes_per_cycle_);
      counters_.busy += free_cycle_ - now();
    }
    if (free_cycle_ > now()) return wait_until(free_cycle_);
    if (!space_there(done_)) return;
    Extent result{read.rows, read.cols, 0, 0};
    const CycleChannel& first = *outputs_[0][0];
    if (unit_.exchange->combine != Combine::kSum)
      result.cols = std::min(result.cols * sockets, first.spec->cols);
    for (CycleChannel* c : outputs_[0]) {
      const int64_t token = engine_.open_token(*c, result.rows, result.cols);
      for (int64_t k = 0; k < c->token(token).bursts; ++k) engine_.put(*c, token, k);
    }
    engine_.end_read(own);
    if (sockets > 1) landed_.pop_front();
    combined_ = false;
    finish_firing();
    if (sender_ != nullptr) sender_->advance();
    advance();
  }

  int64_t port_bytes_per_cycle_;
  std::deque<int64_t> landed_;
  CycleUnit* sender_ = nullptr;
  bool combined_ = false;
  bool waiting_ = false;
  int64_t free_cycle_ = 0;
};

class SendUnit : public CycleUnit {
 public:
  SendUnit(Engine& engine, size_t index)
      : CycleUnit(engine, index), sockets_(engine.context().program.sockets) {
    wire_ = Wire::kLink;
    cause_ = Cause::kCollective;
    const NodeSpec& node = engine.context().node;
    link_.bandwidth_bytes_per_s = node.link.bandwidth_bytes_per_s;
    cycles_per_byte_ = node.chip.clock_hz / node.link.bandwidth_bytes_per_s;
    latency_cycles_ = link_latency_cycles(node);
  }
  void set_receiver(ReceiveUnit* receiver) { receiver_ = receiver; }

  void advance() override {
    while (begun_ < unit_.firings && static_cast<size_t>(begun_ - done_) < kAhead && tokens_there(begun_)) {
      const int64_t token = engine_.take(*inputs_[0]);
      engine_.start_read(*inputs_[0], token, inputs_[0]->elements(token), true);
      ++begun_;
    }
    send();
  }

  void operand(CycleChannel& c, Read&, int64_t vectors) override {
    engine_.consume(c, vectors, now() + vectors);
    send();
  }

  void event(uint32_t) override {
    --leaving_;
    finish_firing();
    advance();
  }

 private:
  void send() {
    while (begun_ > done_ + leaving_) {
      CycleChannel& c = *inputs_[0];
      const Read& read = c.reads.front();
      if (read.arrived < read.bursts || c.active == 0) return;
      if (!space_there(done_ + leaving_)) return;
      if (!receiver_->has_room(done_ + leaving_)) return;
      const Extent whole{read.rows, read.cols, 0, 0};
      const Extent own = exchange_part(*unit_.exchange, sockets_, whole, 0);
      for (CycleChannel* to : outputs_[0]) {
        const int64_t token = engine_.open_token(*to, own.rows, own.cols);
        for (int64_t k = 0; k < to->token(token).bursts; ++k) engine_.put(*to, token, k);
      }
      post(whole, own, dtype_bytes(c.spec->dtype));
      engine_.end_read(c);
      ++leaving_;
      engine_.add_event(ceil_of(std::max<double>(left_cycle_, static_cast<double>(now() + 1))),
                        EventKind::kUnit, static_cast<uint32_t>(index_), 0);
    }
  }

  static int64_t ceil_of(double x) { return static_cast<int64_t>(std::ceil(x)); }

  // Packet after packet, out of here and into the peer, whose part our own way in plays.
  void post(const Extent& whole, const Extent& own, int64_t element_bytes) {
    if (sockets_ < 2) return;
    PeerLinkTime& link = engine_.peer_link();
    int64_t last = now();
    double busy_cycles = 0;
    for (int64_t k = 1; k < sockets_; ++k) {
      const int64_t sent = exchange_part(*unit_.exchange, sockets_, whole, k).elements() * element_bytes;
      bytes_moved_ += sent;
      const double begin = std::max(link.out_free_cycle, static_cast<double>(now()));
      link.out_free_cycle = begin + wire_bytes(sent) * cycles_per_byte_;
      busy_cycles += link.out_free_cycle - begin;
      const double head = begin + static_cast<double>(latency_cycles_);
      link.in_free_cycle =
          std::max(link.in_free_cycle, head) + wire_bytes(own.elements() * element_bytes) * cycles_per_byte_;
      last = std::max(last, ceil_of(link.in_free_cycle));
    }
    left_cycle_ = link.out_free_cycle;
    counters_.busy += ceil_of(busy_cycles);
    receiver_->landed(last);
    receiver_->event(0);
  }

  [[nodiscard]] double wire_bytes(int64_t bytes) const {
    const int64_t packets = (bytes + link_.packet_bytes - 1) / link_.packet_bytes;
    return static_cast<double>(bytes + packets * link_.header_bytes);
  }

  int64_t sockets_;
  agcu::PeerLinkSpec link_;
  double cycles_per_byte_ = 0;
  int64_t latency_cycles_ = 0;
  double left_cycle_ = 0;  // the last message posted here is out of the socket
  int64_t leaving_ = 0;
  ReceiveUnit* receiver_ = nullptr;
};

}  // namespace

std::unique_ptr<CycleUnit> make_exchange_unit(Engine& engine, size_t index) {
  if (engine.section().units[index].kind == UnitKind::kSend) return std::make_unique<SendUnit>(engine, index);
  return std::make_unique<ReceiveUnit>(engine, index);
}

void join_exchange(CycleUnit& send, CycleUnit& receive) {
  auto& from = static_cast<SendUnit&>(send);
  auto& to = static_cast<ReceiveUnit&>(receive);
  from.set_receiver(&to);
  to.set_sender(&from);
}

}  // namespace rdusim::sim::cycle
