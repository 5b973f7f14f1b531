#include "sim/cycle/stream_unit.h"

#include <algorithm>
#include <tuple>

namespace rdusim::sim::cycle {

namespace {
// Tokens of a stream that may be under way at once: enough that the next begins while one completes.
// assumed: four address generators an AGCU.
constexpr size_t kTransfers = 4;
constexpr int64_t kGatherStride = 7919;  // a prime
}  // namespace

StreamUnit::StreamUnit(Engine& engine, size_t index)
    : CycleUnit(engine, index),
      stream_(*unit_.stream),
      symbol_(engine.context().symbol(stream_.argument)),
      store_(unit_.kind == UnitKind::kStore),
      tier_(symbol_.tier),
      moves_(engine.context().program, engine.context().section, stream_, symbol_, engine.context().node.chip,
             0),
      rows_(stream_),
      rank_(engine.context().turn_ranks[index]) {
  wire_ = moves_.wire;
  cause_ = moves_.cause;
}

bool StreamUnit::goes_before(const StreamUnit& other) const {
  return std::tie(stream_.priority, rank_) < std::tie(other.stream_.priority, other.rank_);
}

UnitCounters StreamUnit::counters() const {
  UnitCounters counters = counters_;
  if (!moves_.counts_bytes(store_)) counters.work.operand_bytes[static_cast<size_t>(cause_)] += bytes_moved_;
  return counters;
}

void StreamUnit::measure(bool busy) {
  if (under_way_ > 0) count_busy(since_, now());
  since_ = now();
  under_way_ += busy ? 1 : -1;
}

void StreamUnit::advance() {
  while (begun_ < unit_.firings && transfers_.size() - posted() < kTransfers && begin()) {
  }
  if (tier_ != Tier::kSram) engine_.pump_tier(tier_);
}

bool StreamUnit::iteration_may_begin() const {
  if (begun_ % firings_per_iteration_ != 0) return true;
  const int64_t iteration = begun_ / firings_per_iteration_;
  const std::vector<size_t>& order = engine_.context().order_of(index_);
  return std::all_of(order.begin(), order.end(),
                     [&](size_t u) { return engine_.unit(u).iterations_done() >= iteration; });
}

bool StreamUnit::begin() {
  if (!iteration_may_begin() || !tokens_there(begun_)) return false;
  if (!space_there(begun_)) {
    if (blocked_since_ < 0 && transfers_.empty()) blocked_since_ = now();
    return false;
  }
  if (blocked_since_ >= 0)
    counters_.blocked += std::max<int64_t>(0, now() - std::max(blocked_since_, engine_.launched_cycle()));
  blocked_since_ = -1;
  Transfer t;
  t.offset = engine_.context().symbol(stream_.argument, begun_ / firings_per_iteration_).offset_bytes;
  CycleChannel* input = inputs_.empty() ? nullptr : inputs_[0];
  const int64_t token = input == nullptr ? 0 : engine_.take(*input);
  if (stream_.gather) {
    t.rows = input->token(token).rows;
    t.row = gathered_;
    gathered_ += t.rows;
  } else {
    t.segment = rows_.segment();
    const ShardRange rows = moves_.clip_rows(rows_.next());
    t.row = rows.begin;
    t.rows = rows.size;
  }
  if (store_ && (input->token(token).rows != t.rows || input->token(token).cols != moves_.cols)) {
    engine_.fail({ErrorCode::kInvalidInput, "unit " + unit_.name, "a token does not fit its stream", ""});
    return false;
  }
  t.bytes = t.rows * moves_.cols * moves_.element_bytes;
  bytes_moved_ += t.bytes;
  if (!outputs_.empty()) {
    for (CycleChannel* c : outputs_[0]) {
      t.tokens.push_back(engine_.open_token(*c, t.rows, moves_.cols));
      t.sent.push_back(0);
    }
  }
  ++begun_;
  if (input != nullptr) t.wire_bytes = input->token(token).bytes;
  transfers_.push_back(std::move(t));
  if (input != nullptr) {
    const bool at_hand =
        engine_.start_read(*input, token, store_ ? input->elements(token) : 0, true).bursts == 0;
    if (at_hand) transfers_.back().arrived = transfers_.back().bytes;
    if (!store_) engine_.end_read(*input);
  }
  skip_empty();
  Transfer& transfer = transfers_.back();
  if (transfer.bytes == 0) {
    complete();
  } else if (tier_ == Tier::kSram && !store_) {
    sram_free_ = std::max(sram_free_, now()) + moves_.sram_cycles(transfer.bytes);
    count_busy(sram_free_ - moves_.sram_cycles(transfer.bytes), sram_free_);
    engine_.add_event(sram_free_, EventKind::kUnit, static_cast<uint32_t>(index_), 0);
  }
  return true;
}

// --- requests

// Up to the next border of the address interleave, within the contiguous run.
int64_t StreamUnit::piece_bytes(const Transfer& t) const {
  const int64_t row_bytes = moves_.cols * moves_.element_bytes;
  const bool whole = moves_.cols == moves_.symbol_cols && !stream_.gather;
  const int64_t run = whole ? t.bytes : row_bytes;
  const int64_t left = run - t.asked % run;
  const auto block = static_cast<uint64_t>(kPieceBytes);
  const auto to_border = static_cast<int64_t>(block - address(t, t.asked) % block);
  return std::min(left, to_border);
}

uint64_t StreamUnit::address(const Transfer& t, int64_t at) const {
  const int64_t row_bytes = moves_.cols * moves_.element_bytes;
  int64_t row = at / row_bytes;
  row = stream_.gather ? (t.row + row) * kGatherStride % std::max<int64_t>(1, moves_.shard_rows)
                       : stream_.symbol_row(t.segment, t.row + row);
  const int64_t pitch = moves_.symbol_cols * moves_.element_bytes;
  return static_cast<uint64_t>(t.offset + row * pitch + stream_.col_begin * moves_.element_bytes +
                               at % row_bytes);
}

bool StreamUnit::has_request() const {
  if (asking_ >= transfers_.size()) return false;
  const Transfer& t = transfers_[asking_];
  return !store_ || t.asked + piece_bytes(t) <= t.arrived;
}

StreamUnit::Request StreamUnit::next_request() {
  Transfer& t = transfers_[asking_];
  Request request;
  request.address = address(t, t.asked);
  request.bytes = piece_bytes(t);
  request.write = store_;
  request.piece = engine_.add_piece(static_cast<uint32_t>(index_), first_ + static_cast<uint32_t>(asking_),
                                    request.bytes);
  measure(true);
  t.asked += request.bytes;
  if (store_) {
    // What has gone to memory makes room in the AGCU.
    const int64_t line = engine_.context().node.chip.rdn.link_bytes_per_cycle;
    const int64_t gone = t.asked == t.bytes ? t.wire_bytes + line - 1 : t.wire_bytes * t.asked / t.bytes;
    const int64_t vectors = gone / line;
    engine_.consume(*inputs_[0], vectors - t.consumed, now());
    t.consumed = vectors;
  }
  if (t.asked == t.bytes) {
    ++asking_;
    if (store_) engine_.end_read(*inputs_[0]);
    skip_empty();
    // What is posted makes room for another token, which may have been waiting with nothing else to come.
    if (store_ && begun_ < unit_.firings)
      engine_.add_event(now() + 1, EventKind::kAdvance, static_cast<uint32_t>(index_), 0);
  }
  return request;
}

void StreamUnit::skip_empty() {
  for (; asking_ < transfers_.size() && transfers_[asking_].bytes == 0; ++asking_) {
    if (store_) engine_.end_read(*inputs_[0]);
  }
}

// --- data

void StreamUnit::operand(CycleChannel& c, Read& read, int64_t vectors) {
  const int64_t line = engine_.context().node.chip.rdn.link_bytes_per_cycle;
  // Reads come in the order of the transfers; the first read is that of the transfer that is asking.
  size_t index = 0;
  while (&c.reads[index] != &read) ++index;
  Transfer& t = transfers_[asking_ + index];
  t.came += vectors * line;
  const bool all = read.arrived == read.bursts;
  t.arrived = all ? t.bytes : std::min(t.bytes - 1, t.bytes * t.came / t.wire_bytes);
  if (tier_ != Tier::kSram) return engine_.pump_tier(tier_);
  engine_.consume(c, vectors, now() + vectors);
  if (t.arrived < t.bytes || index > 0) return;
  for (; asking_ < transfers_.size() && transfers_[asking_].arrived == transfers_[asking_].bytes; ++asking_) {
    engine_.end_read(c);
    sram_free_ = std::max(sram_free_, now()) + moves_.sram_cycles(transfers_[asking_].bytes);
    engine_.add_event(sram_free_, EventKind::kUnit, static_cast<uint32_t>(index_), 0);
  }
}

void StreamUnit::data(uint32_t piece) {
  const Engine::Piece done = engine_.piece(piece);
  engine_.free_piece(piece);
  engine_.tier(tier_).under_way -= done.bytes;
  measure(false);
  Transfer& t = transfers_[done.token - first_];
  t.done += done.bytes;
  if (!store_) send(t);
  complete();
  engine_.pump_tier(tier_);
}

void StreamUnit::event(uint32_t) {
  for (Transfer& t : transfers_) {
    if (t.done == t.bytes) continue;
    t.done = t.bytes;
    if (!store_) send(t);
    break;
  }
  if (tier_ == Tier::kSram && !store_) asking_ = transfers_.size();
  complete();
}

// What has come goes on, to every channel.
void StreamUnit::send(Transfer& t) {
  for (size_t i = 0; i < t.tokens.size(); ++i) {
    CycleChannel& c = *outputs_[0][i];
    const Token& token = c.token(t.tokens[i]);
    const int64_t bursts = token.bursts;
    const int64_t due = t.done == t.bytes ? bursts : t.done * bursts / t.bytes;
    while (t.sent[i] < due) engine_.put(c, t.tokens[i], t.sent[i]++);
  }
}

void StreamUnit::complete() {
  while (!transfers_.empty() && transfers_.front().done == transfers_.front().bytes) {
    if (asking_ == 0) break;
    --asking_;
    transfers_.pop_front();
    ++first_;
    finish_firing();
  }
  if (begun_ < unit_.firings) advance();
}

}  // namespace rdusim::sim::cycle
