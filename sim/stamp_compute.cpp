// StampCompute: compute_unit.cpp on stamps and shapes.
#include <algorithm>

#include "base/check.h"
#include "sim/resource_rates.h"
#include "sim/stamp_engine.h"
#include "sim/stamp_unit.h"

namespace rdusim::sim {

namespace {

constexpr Extent kNoToken{-1, -1, 0, 0};

bool in_window(const Phases& phases, int64_t phase) {
  return phase >= phases.begin && phase < phases.end;
}

void advance(int64_t& phase, int64_t period) {
  if (++phase == period) phase = 0;
}

// Firings from `phase` on are alike until here: all take and release a token, or none does either.
int64_t input_alike_until(const Phases& phases, int64_t phase) {
  if (phase >= phases.end) return phases.period - 1;
  return phase < phases.begin ? phases.begin - 1 : phases.end - 1;
}

int64_t output_alike_until(const Phases& phases, int64_t phase) {
  if (phase >= phases.end) return phases.period;
  return phase < phases.begin ? phases.begin : phases.end;
}

}  // namespace

template <typename Stamp>
void StampUnit<Stamp>::walk(StateWalk& state) {
  state.item(counters_.firings);
  state.limit(unit_.firings - counters_.firings - 1);
  // Where iterations follow each other, firings within one are alike in what they tell and wait for.
  if (context_.iterations > 1) {
    int64_t position = counters_.firings % firings_per_iteration_;
    state.phase(position, firings_per_iteration_, position == 0 ? 1 : firings_per_iteration_ - 1);
  }
  state.stamp(time_);
  state.count(counters_.busy);
  state.count(counters_.starved);
  state.count(counters_.blocked);
  state.count(bytes_moved_);
  walk_more(state);
}

template <typename Stamp>
StampCompute<Stamp>::StampCompute(const SectionContext& context, Fabric& fabric, size_t index)
    : Base(context, fabric, index),
      extents_(unit_.inputs.size(), kNoToken),
      cost_(context.section, unit_, context.node.chip, context.channel_causes, context.operand_rates),
      work_kind_(unit_.kind == UnitKind::kBuffer ? StepKind::kPmu : StepKind::kPcu),
      read_kind_(operand_step(context.node.chip)) {
  RDU_CHECK(unit_.inputs.size() <= 32 && unit_.outputs.size() <= 32, "unit {} has more than 32 ports",
            unit_.name);
  for (const InputPort& port : unit_.inputs)
    inputs_.push_back({&fabric.channels[port.channel.value], port.phases, 0, false});
  for (const OutputPort& port : unit_.outputs) {
    Output& output = outputs_.emplace_back();
    output.port = &port;
    for (const ChannelId c : port.channels) output.channels.push_back(&fabric.channels[c.value]);
  }
}

template <typename Stamp>
UnitCounters StampCompute<Stamp>::counters() const {
  UnitCounters counters = counters_;
  counters.work = cost_.total();
  return counters;
}

template <typename Stamp>
void StampCompute<Stamp>::run() {
  while (!finished()) {
    if (!fired_ && !fire()) return;
    if (!give()) return;
  }
}

template <typename Stamp>
bool StampCompute<Stamp>::fire() {
  for (const Input& in : inputs_) {
    if (in_window(in.phases, in.phase) && !has_token(*in.channel)) return false;
  }
  FiringActivity activity;
  Stamp ready = time_;
  for (size_t i = 0; i < inputs_.size(); ++i) {
    Input& in = inputs_[i];
    if (!in_window(in.phases, in.phase)) continue;
    const Token& token = in.channel->take();
    ready = later(ready, token.ready);
    extents_[i] = {token.rows, token.cols, 0, 0};
    in.held = true;
    activity.inputs_taken |= 1U << i;
  }
  for (size_t o = 0; o < outputs_.size(); ++o) {
    if (in_window(outputs_[o].port->phases, outputs_[o].phase)) activity.outputs_active |= 1U << o;
  }
  auto found = cost_.at(extents_, activity, counters_.firings);
  bool fits = found.ok();
  for (size_t o = 0; fits && o < outputs_.size(); ++o)
    fits = update(outputs_[o], (activity.outputs_active >> o & 1U) != 0, (*found)->sources[o]);
  if (!fits) {
    fabric_.failed = true;
    return false;
  }
  starve_until(ready);
  const FiringCycles& cycles = (*found)->cycles;
  begin_ = time_;
  work_until(after(begin_, cycles.service_cycles, step(work_kind_, cycles.service_cycles)));
  starve_until(after(begin_, cycles.operand_cycles, step(read_kind_, cycles.operand_cycles)));
  latency_cycles_ = cycles.latency_cycles;
  result_cycles_ = cycles.result_cycles;
  release_inputs();
  fired_ = true;
  return true;
}

// False: the token does not fit its accumulator.
template <typename Stamp>
bool StampCompute<Stamp>::update(Output& output, bool active, const Extent& source) {
  const OutputPort& port = *output.port;
  const Extent shape{source.rows, source.cols, 0, 0};
  if (port.accumulate == Accumulate::kNone) {
    if (active) output.tile = shape;
    return true;
  }
  if (output.reset_phase == 0) output.filled = false;
  if (!output.filled) {
    output.filled = true;
    if (port.keep_rows == 0 || shape.rows <= port.keep_rows) {
      output.tile = shape;
      return true;
    }
    output.tile = {0, shape.cols, 0, 0};
  }
  if (!accumulate_fits(port.accumulate, output.tile, shape)) return false;
  output.tile = accumulate_extent(port.accumulate, output.tile, shape, port.keep_rows);
  output.tile.row0 = 0;  // coordinates never change a time
  return true;
}

template <typename Stamp>
void StampCompute<Stamp>::release_inputs() {
  for (size_t i = 0; i < inputs_.size(); ++i) {
    Input& in = inputs_[i];
    advance(in.phase, in.phases.period);
    if (!in.held || (in.phase != 0 && !in_window(in.phases, in.phase))) continue;
    in.held = false;
    in.channel->release(time_);
    extents_[i] = kNoToken;
  }
}

template <typename Stamp>
bool StampCompute<Stamp>::give() {
  for (const Output& out : outputs_) {
    if (in_window(out.port->phases, out.phase) && !have_space(out.channels)) return false;
  }
  Stamp space{};
  for (const Output& out : outputs_) {
    if (in_window(out.port->phases, out.phase)) space = claim(out.channels, space);
  }
  block_until(space);
  const Stamp done = after(time_, latency_cycles_, step(StepKind::kPcuLatency, latency_cycles_));
  results_ready_ = later(results_ready_, done);
  // The first result left while the firing still worked.
  const Stamp first = later(space, after(results_ready_, -result_cycles_, step(work_kind_, -result_cycles_)));
  for (Output& out : outputs_) {
    if (in_window(out.port->phases, out.phase)) {
      for (Channel* channel : out.channels)
        channel->send(first, results_ready_, out.tile.rows, out.tile.cols);
    }
    advance(out.phase, out.port->phases.period);
    advance(out.reset_phase, out.port->reset_period);
  }
  fired_ = false;
  finish_firing();
  return true;
}

template <typename Stamp>
void StampCompute<Stamp>::walk_more(StateWalk& state) {
  state.same(fired_ ? 1 : 0);
  state.same(fired_ ? latency_cycles_ : 0);
  state.same(fired_ ? result_cycles_ : 0);
  if (fired_) state.stamp(begin_);
  state.stamp(results_ready_, cycle_of(time_));
  state.same(counters_.firings % cost_.slice_period());
  for (size_t i = 0; i < inputs_.size(); ++i) {
    Input& in = inputs_[i];
    state.phase(in.phase, in.phases.period, input_alike_until(in.phases, in.phase));
    for (const int64_t x : {in.held ? int64_t{1} : 0, extents_[i].rows, extents_[i].cols}) state.same(x);
  }
  for (Output& out : outputs_) {
    const Phases& phases = out.port->phases;
    state.phase(out.phase, phases.period, output_alike_until(phases, out.phase));
    state.phase(out.reset_phase, out.port->reset_period, out.reset_phase == 0 ? 1 : out.port->reset_period);
    if (out.port->accumulate == Accumulate::kNone && !fired_) continue;  // a result that has been given
    for (const int64_t x : {out.filled ? int64_t{1} : 0, out.tile.rows, out.tile.cols}) state.same(x);
  }
  cost_.walk(state);
}

template class StampUnit<int64_t>;
template class StampUnit<TracedStamp>;
template class StampCompute<int64_t>;
template class StampCompute<TracedStamp>;

}  // namespace rdusim::sim
