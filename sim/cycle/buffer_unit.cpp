// Buffer units of the cycle engine: tokens are read from their channel, cross the RDN and are written, line
// by line, into the buffer's PMUs; what the buffer gives stays there, and its consumers read it (a view).
#include <algorithm>
#include <deque>

#include "sim/cycle/accumulator.h"
#include "sim/cycle/engine.h"

namespace rdusim::sim::cycle {

namespace {

constexpr Extent kNoToken{-1, -1, 0, 0};
// assumed: moves that may be under way at once.
constexpr size_t kAhead = 2;

class BufferUnit : public CycleUnit {
 public:
  BufferUnit(Engine& engine, size_t index)
      : CycleUnit(engine, index),
        cost_(engine.section(), unit_, engine.context().node.chip, engine.context().channel_causes,
              engine.context().operand_rates),
        held_(unit_.inputs.size(), kNoToken),
        sums_(unit_.outputs.size()) {}

  void advance() override {
    while (begun_ < unit_.firings && firings_.size() < kAhead && tokens_there(begun_)) {
      if (!admit()) return;
    }
    complete();
  }

  // A burst has come: its lines are written.
  void operand(CycleChannel& c, Read&, int64_t vectors) override {
    std::vector<PmuPorts>& pmus = engine_.unit_pmus(index_);
    PmuPorts& pmu = pmus[static_cast<size_t>(writes_++) % pmus.size()];
    const auto grant =
        pmu.access(true, now() + 1, writes_ / static_cast<int64_t>(pmus.size()) * kBurstVectors, vectors);
    count_busy(now(), now() + vectors);
    engine_.consume(c, vectors, grant.last_cycle);
    ready_cycle_ = std::max(ready_cycle_, grant.last_cycle + 1);
    complete();
  }

  void event(uint32_t) override {
    waiting_ = false;
    advance();
  }

  [[nodiscard]] UnitCounters counters() const override {
    UnitCounters counters = counters_;
    counters.work = cost_.total();
    counters.busy /= std::max<int64_t>(1, unit_.pmus);
    counters.ahead /= std::max<int64_t>(1, unit_.pmus);
    return counters;
  }

 private:
  struct Move {
    int64_t number = 0;
    std::vector<bool> reads{};
    std::vector<Extent> tiles{};
  };

  bool admit() {
    FiringActivity activity;
    Move move;
    move.number = begun_;
    for (size_t i = 0; i < inputs_.size(); ++i) {
      const bool taken = unit_.inputs[i].phases.active(begun_);
      move.reads.push_back(taken);
      if (!taken) continue;
      const int64_t token = engine_.take(*inputs_[i]);
      held_[i] = {inputs_[i]->token(token).rows, inputs_[i]->token(token).cols, 0, 0};
      activity.inputs_taken |= 1U << i;
      engine_.start_read(*inputs_[i], token, inputs_[i]->elements(token), true);
    }
    for (size_t o = 0; o < outputs_.size(); ++o) {
      if (unit_.outputs[o].phases.active(begun_)) activity.outputs_active |= 1U << o;
    }
    auto cost = cost_.at(held_, activity, begun_);
    if (!cost.ok()) {
      engine_.fail(cost.error());
      return false;
    }
    for (size_t o = 0; o < outputs_.size(); ++o) {
      if (!sums_[o].add(unit_.outputs[o], begun_, (*cost)->sources[o])) {
        engine_.fail(
            {ErrorCode::kInvalidInput, "unit " + unit_.name, "a token does not fit its accumulator", ""});
        return false;
      }
      move.tiles.push_back(sums_[o].tile);
    }
    for (size_t i = 0; i < inputs_.size(); ++i) {
      const Phases& phases = unit_.inputs[i].phases;
      if ((begun_ + 1) % phases.period == 0 || phases.active(begun_ + 1)) held_[i] = kNoToken;
    }
    ++begun_;
    firings_.push_back(std::move(move));
    return true;
  }

  void complete() {
    while (!firings_.empty()) {
      const Move& move = firings_.front();
      for (size_t i = 0; i < inputs_.size(); ++i) {
        if (!move.reads[i]) continue;
        const Read& read = inputs_[i]->reads.front();
        if (read.arrived < read.bursts || inputs_[i]->active == 0) return;
      }
      if (ready_cycle_ > now()) {
        if (!waiting_) engine_.add_event(ready_cycle_, EventKind::kUnit, static_cast<uint32_t>(index_), 0);
        waiting_ = true;
        return;
      }
      if (!space_there(move.number)) return;
      give(move);
      for (size_t i = 0; i < inputs_.size(); ++i) {
        if (move.reads[i]) engine_.end_read(*inputs_[i]);
      }
      firings_.pop_front();
      finish_firing();
      while (begun_ < unit_.firings && firings_.size() < kAhead && tokens_there(begun_)) {
        if (!admit()) return;
      }
    }
  }

  void give(const Move& move) {
    for (size_t o = 0; o < outputs_.size(); ++o) {
      if (!unit_.outputs[o].phases.active(move.number)) continue;
      for (CycleChannel* c : outputs_[o]) {
        const int64_t token = engine_.open_token(*c, move.tiles[o].rows, move.tiles[o].cols);
        const int64_t bursts = c->token(token).bursts;
        if (c->view) {
          if (bursts > 0) engine_.token_there(*c, token, now() + 1);
        } else {
          for (int64_t k = 0; k < bursts; ++k) engine_.put(*c, token, k);
        }
      }
    }
  }

  FiringCost cost_;
  std::vector<Extent> held_;
  std::vector<Accumulator> sums_;
  std::deque<Move> firings_;
  int64_t writes_ = 0;
  int64_t ready_cycle_ = 0;
  bool waiting_ = false;
};

}  // namespace

std::unique_ptr<CycleUnit> make_buffer_unit(Engine& engine, size_t index) {
  return std::make_unique<BufferUnit>(engine, index);
}

}  // namespace rdusim::sim::cycle
