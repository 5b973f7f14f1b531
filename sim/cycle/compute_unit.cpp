// Gemm and simd units of the cycle engine: PcuModel between operand streams and output channels.
//
//   tokens there ─► admitted: plan, reads ─► operands ─► PcuModel steps ─► results ─► bursts of output tokens
//                                              ▲ credits                      ▲ slot, output FIFO
//
// Firings are admitted, stepped and emitted in order. A step of the first pass needs its share of every
// operand token; what accumulates leaves when its last firing's results do.
#include <algorithm>
#include <deque>
#include <memory>

#include "base/check.h"
#include "base/program/operand_reads.h"
#include "sim/cycle/accumulator.h"
#include "sim/cycle/engine.h"
#include "sim/pcu/pcu_model.h"

namespace rdusim::sim::cycle {

namespace {

constexpr Extent kNoToken{-1, -1, 0, 0};
// assumed: firings whose operands may stream while an older one steps; the input FIFOs hold no more.
constexpr size_t kAhead = 2;
constexpr size_t kInFlight = 8;
// assumed: output FIFO of a PCU, the results of two of the largest blocks.
constexpr int64_t kOutputVectors = 512;

// What firings of one shape have in common.
struct Shape {
  std::vector<Extent> inputs;
  std::vector<int64_t> operands;  // elements read, by input
  uint32_t outputs_active = 0;
  int64_t phase = 0;
  FiringPlan plan;
  int32_t first_pass = 0;
  int64_t steps = 0;    // of it
  int64_t results = 0;  // vectors of the last pass
};

struct Out {
  CycleChannel* channel = nullptr;
  int64_t token = -1;
  int64_t bursts = 0;
  int64_t sent = 0;
};

struct Firing {
  int64_t number = 0;
  const Shape* shape = nullptr;
  std::vector<bool> reads{};        // by input
  std::vector<int64_t> vectors{};   // of the reads
  std::vector<int64_t> consumed{};  // of them
  std::vector<Extent> tiles{};      // by output port
  std::vector<Out> outs{};
  bool opened = false;
  int64_t fed = 0;      // steps of the first pass with operands
  int64_t stepped = 0;  // steps of the first pass
  int64_t made = 0;     // results that PcuModel has made
  bool all_made = false;
  int64_t results = 0;  // that have left the tail by now
  bool all_results = false;
  int64_t freed = 0;
};

class ComputeUnit : public CycleUnit {
 public:
  ComputeUnit(Engine& engine, size_t index)
      : CycleUnit(engine, index),
        cost_(engine.section(), unit_, engine.context().node.chip, engine.context().channel_causes,
              engine.context().operand_rates),
        pcu_(PcuModel::Sizes{kOutputVectors, PcuModel::kUnbounded}),
        held_(unit_.inputs.size(), kNoToken),
        tokens_(unit_.inputs.size(), -1),
        sums_(unit_.outputs.size()) {}

  void advance() override {
    while (begun_ < unit_.firings && firings_.size() < kInFlight && firings_.size() - feeding_ < kAhead &&
           tokens_there(begun_)) {
      if (!admit()) return;
    }
    go_on();
  }

  void operand(CycleChannel&, Read&, int64_t) override { advance(); }

  // Results have left the tail.
  void event(uint32_t) override {
    const Batch batch = batches_.front();
    batches_.pop_front();
    Firing& f = firings_[static_cast<size_t>(batch.firing - done_)];
    f.results = batch.results;
    f.all_results = batch.last;
    advance();
  }

  [[nodiscard]] UnitCounters counters() const override {
    UnitCounters counters = counters_;
    counters.work = cost_.total();
    counters.busy = pcu_.counters().busy_cycles;
    counters.blocked = pcu_.counters().space_cycles;
    return counters;
  }

 private:
  struct Batch {
    int64_t firing = 0;
    int64_t results = 0;
    bool last = false;
  };

  void go_on() {
    bool moved = true;
    while (moved) {
      feed();
      step();
      moved = emit();
    }
  }

  [[nodiscard]] Error misfit() const {
    return {ErrorCode::kInvalidInput, "unit " + unit_.name, "a token does not fit its accumulator", ""};
  }
  bool failed(const Error& error) {
    engine_.fail(error);
    return false;
  }

  bool admit() {
    const int64_t f = begun_;
    FiringActivity activity;
    for (size_t i = 0; i < inputs_.size(); ++i) {
      if (!unit_.inputs[i].phases.active(f)) continue;
      tokens_[i] = engine_.take(*inputs_[i]);
      const Token& token = inputs_[i]->token(tokens_[i]);
      held_[i] = {token.rows, token.cols, 0, 0};
      activity.inputs_taken |= 1U << i;
    }
    for (size_t o = 0; o < outputs_.size(); ++o) {
      if (unit_.outputs[o].phases.active(f)) activity.outputs_active |= 1U << o;
    }
    auto cost = cost_.at(held_, activity, f);
    if (!cost.ok()) return failed(cost.error());
    Firing firing;
    firing.number = f;
    for (size_t o = 0; o < outputs_.size(); ++o) {
      if (!sums_[o].add(unit_.outputs[o], f, (*cost)->sources[o])) return failed(misfit());
      firing.tiles.push_back(sums_[o].tile);
      if ((activity.outputs_active >> o & 1U) == 0) continue;
      for (CycleChannel* c : outputs_[o]) firing.outs.push_back({c});
    }
    auto shape = shape_of(activity, f);
    if (!shape.ok()) return failed(shape.error());
    firing.shape = *shape;
    ++begun_;
    pcu_.start(firing.shape->plan);
    read_inputs(firing, activity);
    firings_.push_back(std::move(firing));
    return true;
  }

  void read_inputs(Firing& firing, FiringActivity activity) {
    const std::vector<bool>& needed = cost_.needed(activity.outputs_active);
    for (size_t i = 0; i < inputs_.size(); ++i) {
      const Phases& phases = unit_.inputs[i].phases;
      const int64_t next = firing.number + 1;
      const bool held = held_[i].rows >= 0;
      const bool last = held && (next % phases.period == 0 || phases.active(next) || next == unit_.firings);
      const bool reads = held && (needed[i] || last);
      firing.reads.push_back(reads);
      firing.vectors.push_back(0);
      firing.consumed.push_back(0);
      if (!reads) continue;
      // Where steps are fewer than a way's vectors, a FIFO holds at least what a step takes.
      CycleChannel& c = *inputs_[i];
      const int64_t vectors = c.token(tokens_[i]).vectors;
      c.window = std::max(c.window, 2 * (vectors / firing.shape->steps + kBurstVectors));
      firing.vectors[i] = engine_.start_read(c, tokens_[i], firing.shape->operands[i], last).vectors;
      if (last) held_[i] = kNoToken;
    }
  }

  Result<const Shape*> shape_of(FiringActivity activity, int64_t f) {
    const int64_t phase = f % cost_.slice_period();
    for (size_t i = 0; i < shapes_.size(); ++i) {
      const size_t at = (last_shape_ + i) % shapes_.size();
      const Shape& s = *shapes_[at];
      if (s.outputs_active != activity.outputs_active || s.phase != phase || s.inputs != held_) continue;
      last_shape_ = at;
      return &s;
    }
    auto shape = std::make_unique<Shape>();
    shape->inputs = held_;
    shape->outputs_active = activity.outputs_active;
    shape->phase = phase;
    std::vector<Extent> registers(held_.begin(), held_.end());
    RDU_CHECK_OK(cost_.compute(activity, f, registers));
    const std::vector<bool>& needed = cost_.needed(activity.outputs_active);
    for (size_t i = 0; i < inputs_.size(); ++i)
      shape->operands.push_back(operand_elements(unit_, needed, registers, i));
    plan_firing(unit_, engine_.context().node.chip.pcu, needed, registers, shape->plan);
    auto& passes = shape->plan.passes;
    const auto has_steps = [](const Pass& p) { return p.steps > 0; };
    if (std::none_of(passes.begin(), passes.end(), has_steps)) passes = {pass_through()};
    shape->first_pass =
        static_cast<int32_t>(std::find_if(passes.begin(), passes.end(), has_steps) - passes.begin());
    shape->steps = passes[static_cast<size_t>(shape->first_pass)].steps;
    const Pass& last = passes.back();
    shape->results = (last.steps + last.block_steps - 1) / last.block_steps * last.block_results;
    RDU_CHECK(last.block_results <= kOutputVectors, "unit {} makes {} results at once", unit_.name,
              last.block_results);
    shapes_.push_back(std::move(shape));
    last_shape_ = shapes_.size() - 1;
    return shapes_.back().get();
  }

  // Of a body that computes nothing: its vectors go through, one a cycle and way.
  [[nodiscard]] Pass pass_through() const {
    Pass pass;
    pass.steps = 1;
    for (size_t i = 0; i < inputs_.size(); ++i) {
      if (held_[i].rows < 0) continue;
      const int64_t vectors = inputs_[i]->token(tokens_[i]).vectors;
      const auto ways = static_cast<int64_t>(std::max<size_t>(1, inputs_[i]->read_leg.size()));
      pass.steps = std::max(pass.steps, (vectors + ways - 1) / ways);
    }
    pass.latency_cycles = engine_.context().node.chip.pcu.pipeline_latency_cycles;
    return pass;
  }

  // Operands that have come, to the oldest firing that still misses some.
  void feed() {
    for (; feeding_ < firings_.size(); ++feeding_) {
      Firing& f = firings_[feeding_];
      const int64_t steps = f.shape->steps;
      int64_t there = steps;
      for (size_t i = 0; i < inputs_.size(); ++i) {
        if (!f.reads[i]) continue;
        const Read& read = inputs_[i]->reads.front();
        if (read.arrived < read.bursts) there = std::min(there, read.arrived * steps / read.bursts);
        if (read.sent < read.bursts) there = std::min(there, steps - 1);
      }
      if (there > f.fed) pcu_.operands_arrive(now() + 1, there - f.fed);
      f.fed = std::max(f.fed, there);
      if (f.fed < steps || !all_arrived(f)) return;
      for (size_t i = 0; i < inputs_.size(); ++i) {
        if (f.reads[i]) engine_.end_read(*inputs_[i]);
      }
    }
  }

  [[nodiscard]] bool all_arrived(const Firing& f) const {
    for (size_t i = 0; i < inputs_.size(); ++i) {
      if (!f.reads[i]) continue;
      const CycleChannel& c = *inputs_[i];
      if (c.reads.front().arrived < c.reads.front().bursts || c.active == 0) return false;
    }
    return true;
  }

  void step() {
    while (pcu_.next_cycle()) {
      const PcuModel::Step s = pcu_.step();
      if (stepping_ < firings_.size() && s.pass == firings_[stepping_].shape->first_pass) took_operands(s);
      if (s.results > 0) made_results(s);
    }
  }

  void took_operands(const PcuModel::Step& s) {
    Firing& f = firings_[stepping_];
    ++f.stepped;
    for (size_t i = 0; i < inputs_.size(); ++i) {
      const int64_t used = f.vectors[i] * f.stepped / f.shape->steps;
      // In pieces that are worth an event.
      if (used - f.consumed[i] < kBurstVectors && f.stepped < f.shape->steps) continue;
      if (used > f.consumed[i]) engine_.consume(*inputs_[i], used - f.consumed[i], s.cycle);
      f.consumed[i] = used;
    }
    if (f.stepped == f.shape->steps) ++stepping_;
  }

  void made_results(const PcuModel::Step& s) {
    Firing& f = firings_[making_];
    const int64_t before = f.made;
    f.made += s.results;
    f.all_made = f.made >= f.shape->results;
    if (f.outs.empty()) {
      for (int64_t i = 0; i < s.results; ++i) pcu_.space_freed(s.results_cycle);
    }
    const int64_t stride = std::max<int64_t>(1, f.shape->results / kTold);
    if (f.all_made || before / stride != f.made / stride) {
      batches_.push_back({f.number, f.made, f.all_made});
      engine_.add_event(s.results_cycle, EventKind::kUnit, static_cast<uint32_t>(index_), 0);
    }
    if (f.all_made) ++making_;
  }

  // Bursts of the oldest firing's tokens whose results are there. True: PcuModel has got space.
  bool emit() {
    bool freed = false;
    while (!firings_.empty() && firings_.front().results > 0) {
      Firing& f = firings_.front();
      if (!f.opened && !f.outs.empty() && !open(f)) return freed;
      const int64_t all = f.shape->results;
      for (Out& out : f.outs) {
        const int64_t due = f.all_results ? out.bursts : f.results * out.bursts / all;
        while (out.sent < due) engine_.put(*out.channel, out.token, out.sent++);
      }
      // What does not fill a burst yet has left the FIFO too.
      for (; !f.outs.empty() && f.freed < f.results; ++f.freed, freed = true) pcu_.space_freed(now());
      if (!f.all_results) return freed;
      firings_.pop_front();
      --feeding_;
      --stepping_;
      --making_;
      finish_firing();
      freed = true;
    }
    return freed;
  }

  bool open(Firing& f) {
    if (!space_there(f.number)) return false;
    size_t at = 0;
    for (size_t o = 0; o < outputs_.size(); ++o) {
      if (!unit_.outputs[o].phases.active(f.number)) continue;
      for (CycleChannel* c : outputs_[o]) {
        Out& out = f.outs[at++];
        out.token = engine_.open_token(*c, f.tiles[o].rows, f.tiles[o].cols);
        out.bursts = c->token(out.token).bursts;
      }
    }
    f.opened = true;
    return true;
  }

  static constexpr int64_t kTold = 256;  // times that a firing's results are looked at

  FiringCost cost_;
  PcuModel pcu_;
  std::vector<Extent> held_;
  std::vector<int64_t> tokens_;
  std::vector<Accumulator> sums_;
  std::vector<std::unique_ptr<Shape>> shapes_;
  size_t last_shape_ = 0;
  std::deque<Firing> firings_;  // from done_ on
  std::deque<Batch> batches_;
  size_t feeding_ = 0;   // index of the firing that misses operands
  size_t stepping_ = 0;  // ... whose first pass is next
  size_t making_ = 0;    // ... whose results are next
};

}  // namespace

std::unique_ptr<CycleUnit> make_compute_unit(Engine& engine, size_t index) {
  return std::make_unique<ComputeUnit>(engine, index);
}

}  // namespace rdusim::sim::cycle
