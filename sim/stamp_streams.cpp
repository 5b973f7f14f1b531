// StampStream, StampSend, StampReceive: memory_unit.cpp and exchange_unit.cpp on stamps and shapes.
#include <algorithm>

#include "sim/exchange_part.h"
#include "sim/stamp_engine.h"
#include "sim/stamp_unit.h"

namespace rdusim::sim {

namespace {

template <typename Stamp>
std::vector<StampChannel<Stamp>*> output_channels(StampFabric<Stamp>& fabric, const Unit& unit) {
  std::vector<StampChannel<Stamp>*> out;
  if (unit.outputs.empty()) return out;
  for (const ChannelId c : unit.outputs[0].channels) out.push_back(&fabric.channels[c.value]);
  return out;
}

template <typename Stamp>
StampChannel<Stamp>* input_channel(StampFabric<Stamp>& fabric, const Unit& unit) {
  return unit.inputs.empty() ? nullptr : &fabric.channels[unit.inputs[0].channel.value];
}

}  // namespace

template <typename Stamp>
StampStream<Stamp>::StampStream(const SectionContext& context, Fabric& fabric, size_t index)
    : Base(context, fabric, index),
      stream_(*unit_.stream),
      store_(unit_.kind == UnitKind::kStore),
      moves_(context.program, context.section, stream_, context.symbol(stream_.argument), context.node.chip,
             0),
      rows_(stream_),
      input_(input_channel(fabric, unit_)),
      outputs_(output_channels(fabric, unit_)) {
  const auto tier = static_cast<size_t>(moves_.wire);
  memory_ = moves_.wire == Wire::kSram ? nullptr : &fabric.memory[tier];
  latency_cycles_ = fabric.memory_latency_cycles[tier];
  latency_scaling_ = fabric.memory_latency_scaling[tier];
  latency_kind_ = moves_.wire == Wire::kHbm ? StepKind::kHbmLatency : StepKind::kDdrLatency;
  wire_ = moves_.wire;
  cause_ = moves_.cause;
  now_ = time_;
  turn_.order = context.turn_ranks[index];
  turn_.unit = static_cast<uint32_t>(index);
  turn_.stream = this;
}

template <typename Stamp>
UnitCounters StampStream<Stamp>::counters() const {
  UnitCounters counters = counters_;
  if (!moves_.counts_bytes(store_)) counters.work.operand_bytes[static_cast<size_t>(cause_)] += bytes_moved_;
  return counters;
}

template <typename Stamp>
void StampStream<Stamp>::run() {
  while (!finished() && !asked_ && !fabric_.failed) {
    if (!ask()) return;
  }
}

template <typename Stamp>
bool StampStream<Stamp>::ask() {
  if (!begun_ && !iteration_may_begin()) return false;
  if (!have_space(outputs_)) return false;
  if (input_ != nullptr && !has_token(*input_)) return false;
  space_ = claim(outputs_, Stamp{});
  now_ = later(now_, space_);
  int64_t runs = 1;
  token_rows_ = -1;
  if (input_ != nullptr) {
    const Token token = input_->take();
    token_ready_ = token.ready;
    now_ = later(now_, token_ready_);
    token_rows_ = token.rows;
    runs = std::max<int64_t>(1, token.rows);  // of a gather
    if (store_) starve_until(token_ready_);
    fabric_.failed = fabric_.failed || (store_ && token.cols != moves_.cols);
  }
  if (!stream_.gather) {
    const ShardRange rows = moves_.clip_rows(rows_.next());
    fabric_.failed = fabric_.failed || (store_ && token_rows_ != rows.size);
    token_rows_ = rows.size;
    runs = moves_.contiguous_runs(rows.size);
  }
  asked_ = true;
  transfer(runs);
  return true;
}

template <typename Stamp>
bool StampStream<Stamp>::iteration_may_begin() {
  for (Channel* channel : awaited_) {
    if (!has_token(*channel)) return false;
  }
  for (Channel* channel : awaited_) {
    now_ = later(now_, channel->take().ready);
    channel->release(now_);
  }
  begun_ = true;
  return true;
}

template <typename Stamp>
void StampStream<Stamp>::transfer(int64_t runs) {
  const int64_t bytes = token_rows_ * moves_.cols * moves_.element_bytes;
  if (bytes == 0) return complete({now_, now_, now_, now_});
  bytes_moved_ += bytes;
  if (memory_ == nullptr) {
    const Stamp start = later(now_, sram_free_);
    const int64_t cycles = moves_.sram_cycles(bytes);
    sram_free_ =
        after(start, cycles, {StepKind::kPmu, static_cast<uint32_t>(index_), static_cast<double>(cycles)});
    return complete({start, sram_free_, start, sram_free_});
  }
  turn_.arrival = now_;
  turn_.priority = context_.priority(stream_, this->iteration());
  turn_.bytes = moves_.channel_bytes(bytes, runs);
  memory_->post(turn_);
}

template <typename Stamp>
void StampStream<Stamp>::granted(const Service<Stamp>& service) {
  now_ = service.decided;
  const Step first_byte{latency_kind_, static_cast<uint32_t>(index_), latency_scaling_};
  const Stamp done = later(after(service.finish, latency_cycles_, first_byte), now_);
  const Stamp first = after(service.start, cycle_of(done) - cycle_of(service.finish), first_byte);
  complete({service.start, service.finish, first, done});
  fabric_.ready.push_back(this);
}

template <typename Stamp>
void StampStream<Stamp>::complete(const Transfer& transfer) {
  if (!store_) {
    if (input_ != nullptr) starve_until(token_ready_);
    block_until(space_);
    starve_until(transfer.start);
  } else {
    block_until(transfer.start);
    end_ = later(end_, transfer.done);
  }
  work_until(transfer.finish);
  if (input_ != nullptr) input_->release(later(time_, now_));
  for (Channel* channel : outputs_)
    channel->send(transfer.first, later(transfer.done, now_), token_rows_, moves_.cols);
  asked_ = false;
  finish_firing();
  begun_ = counters_.firings % firings_per_iteration_ != 0;
}

template <typename Stamp>
void StampStream<Stamp>::walk_more(StateWalk& state) {
  if (store_) state.stamp(end_);
  state.stamp(now_);
  state.stamp(sram_free_, floor());
  state.same(begun_ ? 1 : 0);
  state.same(this->iteration() - fabric_.first_iteration);
  if (state.advancing()) turn_.priority = context_.priority(stream_, this->iteration());
  state.same(asked_ ? 1 : 0);
  if (asked_) {
    state.stamp(turn_.arrival);
    state.stamp(token_ready_, floor());
    state.stamp(space_, floor());
    state.same(token_rows_);
    state.same(turn_.bytes);
  }
  if (stream_.gather) return;
  const int64_t token = counters_.firings + (asked_ ? 1 : 0);
  if (state.advancing()) return rows_.seek(token);
  const int64_t per_repeat = stream_.segments * stream_.tokens_per_segment();
  const bool whole_repeats = state.step() % per_repeat == 0;
  if (!whole_repeats) {
    // All tokens since the remembered state were alike, and so are the next.
    state.require(moves_.alike_tokens(stream_, std::max<int64_t>(0, token - state.step() - 1)) >=
                  state.step());
    state.limit(moves_.alike_tokens(stream_, token) - 1);
  }
}

template <typename Stamp>
StampSend<Stamp>::StampSend(const SectionContext& context, Fabric& fabric, size_t index)
    : Base(context, fabric, index),
      input_(input_channel(fabric, unit_)),
      outputs_(output_channels(fabric, unit_)),
      sockets_(context.program.sockets) {
  wire_ = Wire::kLink;
  cause_ = Cause::kCollective;
  const std::vector<Unit>& units = context.section.units;
  for (size_t u = 0; u < units.size(); ++u) {
    if (units[u].kind != UnitKind::kReceive || units[u].exchange->id != unit_.exchange->id) continue;
    for (Channel& box : fabric.mailboxes[u]) mailboxes_.push_back(&box);
  }
}

template <typename Stamp>
void StampSend<Stamp>::run() {
  while (!finished()) {
    if (stage_ == Stage::kInput) {
      if (!has_token(*input_)) return;
      token_ = input_->take();
      starve_until(token_.ready);
      stage_ = Stage::kOwn;
    }
    if (stage_ == Stage::kOwn && !give_own()) return;
    if (stage_ == Stage::kPost && !post()) return;
    if (stage_ == Stage::kLeaving) return;
    done();
  }
}

template <typename Stamp>
bool StampSend<Stamp>::give_own() {
  if (!have_space(outputs_)) return false;
  block_until(claim(outputs_, time_));
  const Extent own = exchange_part(*unit_.exchange, sockets_, {token_.rows, token_.cols, 0, 0}, 0);
  for (Channel* channel : outputs_) channel->send(time_, time_, own.rows, own.cols);
  stage_ = mailboxes_.empty() ? Stage::kInput : Stage::kPost;
  return true;
}

template <typename Stamp>
bool StampSend<Stamp>::post() {
  if (!have_space(mailboxes_)) return false;
  block_until(claim(mailboxes_, time_));
  now_ = later(now_, time_);
  const Extent whole{token_.rows, token_.cols, 0, 0};
  const Extent own = exchange_part(*unit_.exchange, sockets_, whole, 0);
  stage_ = Stage::kLeaving;
  for (size_t i = 0; i < mailboxes_.size(); ++i) {
    const auto k = static_cast<int64_t>(i);
    MessageTurn<Stamp> turn;
    turn.arrival = now_;
    turn.order = context_.turn_ranks[index_] * sockets_ + k;
    turn.sent_bytes =
        exchange_part(*unit_.exchange, sockets_, whole, k + 1).elements() * input_->element_bytes();
    turn.received_bytes = own.elements() * input_->element_bytes();
    turn.unit = static_cast<uint32_t>(index_);
    turn.rows = own.rows;
    turn.cols = own.cols;
    turn.mailbox = mailboxes_[i];
    turn.sender = i + 1 == mailboxes_.size() ? this : nullptr;
    bytes_moved_ += turn.sent_bytes;
    fabric_.egress.post(turn);
  }
  return true;
}

template <typename Stamp>
void StampSend<Stamp>::left(const Stamp& at, const Stamp& decided) {
  now_ = decided;
  work_until(at);
  done();
  fabric_.ready.push_back(this);
}

template <typename Stamp>
void StampSend<Stamp>::done() {
  input_->release(later(time_, token_.ready));
  stage_ = Stage::kInput;
  finish_firing();
}

template <typename Stamp>
void StampSend<Stamp>::walk_more(StateWalk& state) {
  state.stamp(now_, cycle_of(time_));
  state.same(static_cast<int64_t>(stage_));
  if (stage_ == Stage::kInput) return;
  state.stamp(token_.ready, cycle_of(time_));
  state.same(token_.rows);
  state.same(token_.cols);
}

template <typename Stamp>
StampReceive<Stamp>::StampReceive(const SectionContext& context, Fabric& fabric, size_t index)
    : Base(context, fabric, index),
      inputs_{input_channel(fabric, unit_)},
      outputs_(output_channels(fabric, unit_)),
      sockets_(context.program.sockets),
      port_bytes_per_cycle_(context.node.chip.agcu_ports * context.node.chip.agcu_port_bytes_per_cycle),
      parts_(static_cast<size_t>(sockets_)) {
  for (Channel& box : fabric.mailboxes[index]) inputs_.push_back(&box);
}

template <typename Stamp>
void StampReceive<Stamp>::run() {
  while (!finished()) {
    if (!combined_ && !combine()) return;
    if (!have_space(outputs_)) return;
    block_until(claim(outputs_, time_));
    for (Channel* channel : outputs_) channel->send(time_, time_, result_.rows, result_.cols);
    combined_ = false;
    finish_firing();
  }
}

template <typename Stamp>
bool StampReceive<Stamp>::combine() {
  for (Channel* channel : inputs_) {
    if (!has_token(*channel)) return false;
  }
  Stamp ready = time_;
  int64_t bytes = 0;
  for (size_t i = 0; i < inputs_.size(); ++i) {
    const Token& token = inputs_[i]->take();
    ready = later(ready, token.ready);
    bytes += token.rows * token.cols * inputs_[i]->element_bytes();
    parts_[i == 0 ? 0 : inputs_.size() - i] = {token.rows, token.cols, 0, 0};
  }
  const Accumulate how =
      unit_.exchange->combine == Combine::kSum ? Accumulate::kSum : Accumulate::kConcatCols;
  result_ = parts_[0];
  for (size_t s = 1; s < parts_.size(); ++s) {
    if (!accumulate_fits(how, result_, parts_[s])) {
      fabric_.failed = true;
      return false;
    }
    result_ = accumulate_extent(how, result_, parts_[s], 0);
  }
  // Peers' parts were taken as large as ours (exchange_unit.cpp).
  result_.cols = std::min(result_.cols, context_.section.channels[unit_.outputs[0].channels[0].value].cols);
  starve_until(ready);
  const int64_t landing = std::max<int64_t>(1, (bytes + port_bytes_per_cycle_ - 1) / port_bytes_per_cycle_);
  const double exact = static_cast<double>(bytes) / static_cast<double>(port_bytes_per_cycle_);
  work_until(after(time_, landing, {StepKind::kAgcu, static_cast<uint32_t>(index_), exact}));
  for (Channel* channel : inputs_) channel->release(time_);
  combined_ = true;
  return true;
}

template <typename Stamp>
void StampReceive<Stamp>::walk_more(StateWalk& state) {
  for (const int64_t x : {combined_ ? int64_t{1} : 0, result_.rows, result_.cols}) state.same(x);
}

template class StampStream<int64_t>;
template class StampStream<TracedStamp>;
template class StampSend<int64_t>;
template class StampSend<TracedStamp>;
template class StampReceive<int64_t>;
template class StampReceive<TracedStamp>;

}  // namespace rdusim::sim
