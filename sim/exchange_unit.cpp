#include "sim/exchange_unit.h"

#include <fmt/format.h>

#include <algorithm>

#include "sim/exchange_part.h"
#include "sim/hardware.h"

namespace rdusim::sim {

void Message::send(Server& egress, Server& ingress, TokenChannel& mailbox, Tile tile, int64_t sent_bytes,
                   int64_t received_bytes, int64_t latency_cycles, int64_t order, UnitProcess* sender) {
  ingress_ = &ingress;
  mailbox_ = &mailbox;
  tile_ = std::move(tile);
  received_bytes_ = received_bytes;
  latency_cycles_ = latency_cycles;
  sender_ = sender;
  left_ = false;
  leaving_.arrival_cycle = now_cycle();
  leaving_.order = order;
  leaving_.bytes = sent_bytes;
  egress.post(&leaving_);
}

// Cut-through: the head of the message reaches the other port `latency` after it left.
void Message::Leaving::granted(int64_t start_sub, int64_t finish_sub) {
  message.left_ = true;
  message.left_cycle_ = std::max(ceil_cycle(finish_sub), now_cycle());  // an empty message takes no time
  message.arriving_.arrival_cycle = std::max(ceil_cycle(start_sub) + message.latency_cycles_, now_cycle());
  message.arriving_.order = order;
  message.arriving_.bytes = message.received_bytes_;
  message.ingress_->post(&message.arriving_);
  if (message.sender_ != nullptr) message.sender_->wake();
}

void Message::Arriving::granted(int64_t, int64_t finish_sub) {
  message.mailbox_->write(Token{std::max(ceil_cycle(finish_sub), now_cycle()), std::move(message.tile_)});
}

SendUnit::SendUnit(SectionContext& context, const Unit& unit, size_t unit_index, int64_t socket,
                   TokenChannel* input, std::vector<TokenChannel*> outputs,
                   std::vector<TokenChannel*> mailboxes)
    : Component(context, unit, unit_index, socket),
      input_(input),
      outputs_(std::move(outputs)),
      mailboxes_(std::move(mailboxes)),
      messages_(mailboxes_.size()) {
  for (auto& ring : messages_) {
    for (auto& message : ring) message = std::make_unique<Message>();
  }
}

void SendUnit::run() {
  for (int64_t firing = 0; firing < unit_.firings; ++firing) {
    await_token(*input_);
    const Token token = input_->take();
    starve_until(token.ready_cycle);
    give_own(token.tile);
    if (!mailboxes_.empty()) post(token.tile, firing);
    input_->release(std::max(time_, token.ready_cycle));
    finish_firing();
  }
}

// Columns [chunk * p, ...) of the token for socket p, or all of it.
Tile SendUnit::part_of(const Tile& tile, int64_t socket) const {
  if (unit_.exchange->mode == ExchangeMode::kBroadcast) return tile;
  const Extent part = exchange_part(*unit_.exchange, context_.program.sockets, tile.extent, socket);
  if (tile.values == nullptr) return Tile{{part.rows, part.cols, 0, 0}, nullptr};
  const TileOp slice = scatter_slice(tile.extent.cols, context_.program.sockets);
  return evaluate_tile_op(slice, {&tile, nullptr, nullptr}, part, socket);
}

void SendUnit::give_own(const Tile& tile) {
  int64_t space = time_;
  for (TokenChannel* channel : outputs_) {
    await_space(*channel);
    space = std::max(space, channel->space_cycle());
    channel->claim();
  }
  block_until(space);
  emit(outputs_, part_of(tile, socket_), time_, time_);
}

void SendUnit::post(const Tile& tile, int64_t firing) {
  const int64_t sockets = context_.program.sockets;
  int64_t space = time_;
  for (TokenChannel* mailbox : mailboxes_) {
    await_space(*mailbox);
    space = std::max(space, mailbox->space_cycle());
    mailbox->claim();
  }
  block_until(space);
  process()->wait_until(time_);
  const int64_t bytes_per_element = dtype_bytes(input_->dtype());
  for (size_t i = 0; i < mailboxes_.size(); ++i) {
    const int64_t peer = (socket_ + static_cast<int64_t>(i) + 1) % sockets;
    const bool stands_for_all = context_.simulated_sockets == 1;
    const int64_t sent = part_of(tile, peer).extent.elements() * bytes_per_element;
    Tile message = part_of(tile, stands_for_all ? socket_ : peer);
    const int64_t received = message.extent.elements() * bytes_per_element;
    count_bytes(Wire::kLink, Cause::kCollective, sent);
    Server& ingress = context_.hardware->ingress(stands_for_all ? socket_ : peer);
    const int64_t order = context_.turn_ranks[unit_index_] * sockets + static_cast<int64_t>(i);
    messages_[i][static_cast<size_t>(firing % kExchangeWindow)]->send(
        context_.hardware->egress(socket_), ingress, *mailboxes_[i], std::move(message), sent, received,
        context_.hardware->link_latency_cycles(), order, i + 1 == mailboxes_.size() ? process() : nullptr);
  }
  const Message& last = *messages_.back()[static_cast<size_t>(firing % kExchangeWindow)];
  while (!last.left()) process()->sleep();
  work_until(last.left_cycle());
}

ReceiveUnit::ReceiveUnit(SectionContext& context, const Unit& unit, size_t unit_index, int64_t socket,
                         TokenChannel* input, std::vector<TokenChannel*> outputs,
                         std::vector<TokenChannel*> mailboxes)
    : Component(context, unit, unit_index, socket),
      input_(input),
      outputs_(std::move(outputs)),
      mailboxes_(std::move(mailboxes)) {}

void ReceiveUnit::run() {
  const int64_t sockets = context_.program.sockets;
  const ChipSpec& chip = context_.node.chip;
  const int64_t port_bytes_per_cycle = chip.agcu_ports * chip.agcu_port_bytes_per_cycle;
  std::vector<Tile> by_socket(static_cast<size_t>(sockets));
  for (int64_t firing = 0; firing < unit_.firings; ++firing) {
    int64_t ready = time_;
    int64_t bytes = 0;
    const auto take = [&](TokenChannel& channel, int64_t from) {
      await_token(channel);
      Token token = channel.take();
      ready = std::max(ready, token.ready_cycle);
      bytes += token.tile.extent.elements() * dtype_bytes(channel.dtype());
      by_socket[static_cast<size_t>(from)] = std::move(token.tile);
    };
    take(*input_, socket_);
    for (size_t i = 0; i < mailboxes_.size(); ++i) {
      take(*mailboxes_[i], (socket_ + sockets - static_cast<int64_t>(i) - 1) % sockets);
    }
    starve_until(ready);
    const Tile result = combine(by_socket);
    // Own token and messages stream through the AGCU's ports into the combining buffer.
    work_until(time_ + std::max<int64_t>(1, (bytes + port_bytes_per_cycle - 1) / port_bytes_per_cycle));
    input_->release(time_);
    for (TokenChannel* mailbox : mailboxes_) mailbox->release(time_);
    int64_t space = time_;
    for (TokenChannel* channel : outputs_) {
      await_space(*channel);
      space = std::max(space, channel->space_cycle());
      channel->claim();
    }
    block_until(space);
    emit(outputs_, result, time_, time_);
    finish_firing();
  }
}

Tile ReceiveUnit::combine(const std::vector<Tile>& by_socket) {
  const Accumulate how =
      unit_.exchange->combine == Combine::kSum ? Accumulate::kSum : Accumulate::kConcatCols;
  Tile result = by_socket[0];
  for (size_t s = 1; s < by_socket.size(); ++s) {
    const Tile& next = by_socket[s];
    if (!accumulate_fits(how, result.extent, next.extent)) {
      fail(Error{ErrorCode::kInvalidInput, "exchange",
                 fmt::format("socket {} sends [{},{}], which does not combine with [{},{}]", s,
                             next.extent.rows, next.extent.cols, result.extent.rows, result.extent.cols),
                 ""});
    }
    if (functional()) {
      result = accumulate_tile(how, result, next, 0);
    } else {
      result.extent = accumulate_extent(how, result.extent, next.extent, 0);
    }
  }
  if (!functional()) {
    // Peers' parts were taken as large as ours; the last ones may be smaller, and the channel knows the true
    // width.
    const int64_t limit = context_.section.channels[unit_.outputs[0].channels[0].value].cols;
    result.extent.cols = std::min(result.extent.cols, limit);
  }
  return result;
}

}  // namespace rdusim::sim
