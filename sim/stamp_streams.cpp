// StampStream, StampSend, StampReceive: memory_unit.cpp and exchange_unit.cpp on stamps and shapes.
#include <algorithm>

#include "sim/exchange_part.h"
#include "sim/stamp_engine.h"
#include "sim/stamp_unit.h"

namespace rdusim::sim {

namespace {

std::vector<StampChannel*> output_channels(StampFabric& fabric, const Unit& unit) {
  std::vector<StampChannel*> out;
  if (unit.outputs.empty()) return out;
  for (const ChannelId c : unit.outputs[0].channels) out.push_back(&fabric.channels[c.value]);
  return out;
}

StampChannel* input_channel(StampFabric& fabric, const Unit& unit) {
  return unit.inputs.empty() ? nullptr : &fabric.channels[unit.inputs[0].channel.value];
}

}  // namespace

StampStream::StampStream(const SectionContext& context, StampFabric& fabric, size_t index)
    : StampUnit(context, fabric, index),
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
  wire_ = moves_.wire;
  cause_ = moves_.cause;
  turn_.priority = stream_.priority;
  turn_.order = context.turn_ranks[index];
  turn_.stream = this;
}

UnitCounters StampStream::counters() const {
  UnitCounters counters = counters_;
  if (!moves_.counts_bytes(store_)) counters.work.operand_bytes[static_cast<size_t>(cause_)] += bytes_moved_;
  return counters;
}

void StampStream::run() {
  while (!finished() && !asked_ && !fabric_.failed) {
    if (!ask()) return;
  }
}

bool StampStream::ask() {
  if (!have_space(outputs_)) return false;
  if (input_ != nullptr && !has_token(*input_)) return false;
  space_ = claim(outputs_, 0);
  now_ = std::max(now_, space_);
  int64_t runs = 1;
  token_rows_ = -1;
  if (input_ != nullptr) {
    const StampToken token = input_->take();
    token_ready_ = token.ready_cycle;
    now_ = std::max(now_, token_ready_);
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

void StampStream::transfer(int64_t runs) {
  const int64_t bytes = token_rows_ * moves_.cols * moves_.element_bytes;
  if (bytes == 0) return complete({now_, now_, now_});
  bytes_moved_ += bytes;
  if (memory_ == nullptr) {
    const int64_t start = std::max(now_, sram_free_cycle_);
    sram_free_cycle_ = start + moves_.sram_cycles(bytes);
    return complete({start, sram_free_cycle_, sram_free_cycle_});
  }
  turn_.arrival_cycle = now_;
  turn_.bytes = moves_.channel_bytes(bytes, runs);
  memory_->post(turn_);
}

void StampStream::granted(int64_t decision_cycle, ServiceClock::Span span) {
  now_ = decision_cycle + 1;
  const int64_t finish = ceil_cycle(span.finish_sub);
  complete({span.start_sub >> kSubcycleBits, finish, std::max(finish + latency_cycles_, now_)});
  fabric_.ready.push_back(this);
}

void StampStream::complete(const Transfer& transfer) {
  if (!store_) {
    if (input_ != nullptr) starve_until(token_ready_);
    block_until(space_);
    starve_until(transfer.start_cycle);
  } else {
    block_until(transfer.start_cycle);
    end_cycle_ = std::max(end_cycle_, transfer.done_cycle);
  }
  work_until(transfer.finish_cycle);
  if (input_ != nullptr) input_->release(std::max(time_, now_));
  for (StampChannel* channel : outputs_)
    channel->send(transfer.first_cycle(), std::max(transfer.done_cycle, now_), token_rows_, moves_.cols);
  asked_ = false;
  ++counters_.firings;
}

void StampStream::walk_more(StateWalk& state) {
  if (store_) state.stamp(end_cycle_);
  state.stamp(now_);
  state.stamp(sram_free_cycle_, floor());
  state.same(asked_ ? 1 : 0);
  if (asked_) {
    state.stamp(turn_.arrival_cycle);
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

StampSend::StampSend(const SectionContext& context, StampFabric& fabric, size_t index)
    : StampUnit(context, fabric, index),
      input_(input_channel(fabric, unit_)),
      outputs_(output_channels(fabric, unit_)),
      sockets_(context.program.sockets) {
  wire_ = Wire::kLink;
  cause_ = Cause::kCollective;
  const std::vector<Unit>& units = context.section.units;
  for (size_t u = 0; u < units.size(); ++u) {
    if (units[u].kind != UnitKind::kReceive || units[u].exchange->id != unit_.exchange->id) continue;
    for (StampChannel& box : fabric.mailboxes[u]) mailboxes_.push_back(&box);
  }
}

void StampSend::run() {
  while (!finished()) {
    if (stage_ == Stage::kInput) {
      if (!has_token(*input_)) return;
      token_ = input_->take();
      starve_until(token_.ready_cycle);
      stage_ = Stage::kOwn;
    }
    if (stage_ == Stage::kOwn && !give_own()) return;
    if (stage_ == Stage::kPost && !post()) return;
    if (stage_ == Stage::kLeaving) return;
    done();
  }
}

bool StampSend::give_own() {
  if (!have_space(outputs_)) return false;
  block_until(claim(outputs_, time_));
  const Extent own = exchange_part(*unit_.exchange, sockets_, {token_.rows, token_.cols, 0, 0}, 0);
  for (StampChannel* channel : outputs_) channel->send(time_, time_, own.rows, own.cols);
  stage_ = mailboxes_.empty() ? Stage::kInput : Stage::kPost;
  return true;
}

bool StampSend::post() {
  if (!have_space(mailboxes_)) return false;
  block_until(claim(mailboxes_, time_));
  now_ = std::max(now_, time_);
  const Extent whole{token_.rows, token_.cols, 0, 0};
  const Extent own = exchange_part(*unit_.exchange, sockets_, whole, 0);
  stage_ = Stage::kLeaving;
  for (size_t i = 0; i < mailboxes_.size(); ++i) {
    const auto k = static_cast<int64_t>(i);
    MessageTurn turn;
    turn.arrival_cycle = now_;
    turn.order = context_.turn_ranks[index_] * sockets_ + k;
    turn.sent_bytes =
        exchange_part(*unit_.exchange, sockets_, whole, k + 1).elements() * input_->element_bytes();
    turn.received_bytes = own.elements() * input_->element_bytes();
    turn.rows = own.rows;
    turn.cols = own.cols;
    turn.mailbox = mailboxes_[i];
    turn.sender = i + 1 == mailboxes_.size() ? this : nullptr;
    bytes_moved_ += turn.sent_bytes;
    fabric_.egress.post(turn);
  }
  return true;
}

void StampSend::left(int64_t cycle, int64_t decision_cycle) {
  now_ = decision_cycle + 1;
  work_until(cycle);
  done();
  fabric_.ready.push_back(this);
}

void StampSend::done() {
  input_->release(std::max(time_, token_.ready_cycle));
  stage_ = Stage::kInput;
  ++counters_.firings;
}

void StampSend::walk_more(StateWalk& state) {
  state.stamp(now_, time_);
  state.same(static_cast<int64_t>(stage_));
  if (stage_ == Stage::kInput) return;
  state.stamp(token_.ready_cycle, time_);
  state.same(token_.rows);
  state.same(token_.cols);
}

StampReceive::StampReceive(const SectionContext& context, StampFabric& fabric, size_t index)
    : StampUnit(context, fabric, index),
      inputs_{input_channel(fabric, unit_)},
      outputs_(output_channels(fabric, unit_)),
      sockets_(context.program.sockets),
      port_bytes_per_cycle_(context.node.chip.agcu_ports * context.node.chip.agcu_port_bytes_per_cycle),
      parts_(static_cast<size_t>(sockets_)) {
  for (StampChannel& box : fabric.mailboxes[index]) inputs_.push_back(&box);
}

void StampReceive::run() {
  while (!finished()) {
    if (!combined_ && !combine()) return;
    if (!have_space(outputs_)) return;
    block_until(claim(outputs_, time_));
    for (StampChannel* channel : outputs_) channel->send(time_, time_, result_.rows, result_.cols);
    combined_ = false;
    ++counters_.firings;
  }
}

bool StampReceive::combine() {
  for (StampChannel* channel : inputs_) {
    if (!has_token(*channel)) return false;
  }
  int64_t ready = time_;
  int64_t bytes = 0;
  for (size_t i = 0; i < inputs_.size(); ++i) {
    const StampToken& token = inputs_[i]->take();
    ready = std::max(ready, token.ready_cycle);
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
  work_until(time_ + std::max<int64_t>(1, (bytes + port_bytes_per_cycle_ - 1) / port_bytes_per_cycle_));
  for (StampChannel* channel : inputs_) channel->release(time_);
  combined_ = true;
  return true;
}

void StampReceive::walk_more(StateWalk& state) {
  for (const int64_t x : {combined_ ? int64_t{1} : 0, result_.rows, result_.cols}) state.same(x);
}

}  // namespace rdusim::sim
