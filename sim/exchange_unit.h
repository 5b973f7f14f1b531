// Send and receive units: the socket-to-socket exchange of program.h, over one egress and one ingress port a
// socket.
//
//   send:    token --> own part ------------------------------------------> output port
//              '-> a message to each other socket --> egress --latency--> ingress --> mailbox of the peer's
//              receive unit
//   receive: own token + one message from each other socket, combined in socket order --> output port
//
// Messages to peer (s + k) mod sockets leave in order of k, so every ingress port sees the same load. A
// mailbox is a channel of kExchangeWindow tokens per sender: a sender stops when its peer is that far behind.
// When one socket stands for all (timing runs of a symmetric program), a message to the k-th next peer is
// delivered to ourselves in place of the k-th previous peer's, which leaves that peer at the same cycle.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "sim/component.h"
#include "sim/server.h"

namespace rdusim::sim {

// assumed: double buffering of messages, as of tokens between stages.
inline constexpr int64_t kExchangeWindow = 2;

// One message on its way; reused when its mailbox slot is.
class Message {
 public:
  Message() : leaving_(*this), arriving_(*this) {}
  Message(const Message&) = delete;
  Message& operator=(const Message&) = delete;

  // `order` breaks ties of messages that leave (or arrive) in the same cycle. Wakes `sender` when the last
  // byte's leaving time is known, if not null.
  void send(Server& egress, Server& ingress, TokenChannel& mailbox, Tile tile, int64_t sent_bytes,
            int64_t received_bytes, int64_t latency_cycles, int64_t order, UnitProcess* sender);
  [[nodiscard]] bool left() const { return left_; }
  [[nodiscard]] int64_t left_cycle() const { return left_cycle_; }

 private:
  struct Leaving final : Request {
    explicit Leaving(Message& m) : message(m) {}
    void granted(int64_t start_sub, int64_t finish_sub) override;
    Message& message;
  };
  struct Arriving final : Request {
    explicit Arriving(Message& m) : message(m) {}
    void granted(int64_t start_sub, int64_t finish_sub) override;
    Message& message;
  };

  Leaving leaving_;
  Arriving arriving_;
  Server* ingress_ = nullptr;
  TokenChannel* mailbox_ = nullptr;
  Tile tile_;
  int64_t received_bytes_ = 0;
  int64_t latency_cycles_ = 0;
  UnitProcess* sender_ = nullptr;
  bool left_ = true;
  int64_t left_cycle_ = 0;
};

class SendUnit : public Component {
 public:
  // `mailboxes[k - 1]`: of the k-th next peer's receive unit.
  SendUnit(SectionContext& context, const Unit& unit, size_t unit_index, int64_t socket, TokenChannel* input,
           std::vector<TokenChannel*> outputs, std::vector<TokenChannel*> mailboxes);
  void run() override;

 private:
  [[nodiscard]] Tile part_of(const Tile& tile, int64_t socket) const;
  void post(const Tile& tile, int64_t firing);
  void give_own(const Tile& tile);

  TokenChannel* input_;
  std::vector<TokenChannel*> outputs_;
  std::vector<TokenChannel*> mailboxes_;
  std::vector<std::array<std::unique_ptr<Message>, kExchangeWindow>> messages_;  // [k - 1]
};

class ReceiveUnit : public Component {
 public:
  // `mailboxes[k - 1]`: messages of the k-th previous peer.
  ReceiveUnit(SectionContext& context, const Unit& unit, size_t unit_index, int64_t socket,
              TokenChannel* input, std::vector<TokenChannel*> outputs, std::vector<TokenChannel*> mailboxes);
  void run() override;

 private:
  Tile combine(const std::vector<Tile>& by_socket);

  TokenChannel* input_;
  std::vector<TokenChannel*> outputs_;
  std::vector<TokenChannel*> mailboxes_;
};

}  // namespace rdusim::sim
