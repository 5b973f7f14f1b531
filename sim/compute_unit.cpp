#include "sim/compute_unit.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"

namespace rdusim::sim {

namespace {

bool in_window(const Phases& phases, int64_t phase) {
  return phase >= phases.begin && phase < phases.end;
}

void advance(int64_t& phase, int64_t period) {
  if (++phase == period) phase = 0;
}

}  // namespace

ComputeUnit::ComputeUnit(SectionContext& context, const Unit& unit, size_t unit_index, int64_t socket,
                         std::vector<TokenChannel*> inputs, std::vector<std::vector<TokenChannel*>> outputs)
    : Component(context, unit, unit_index, socket),
      cost_(context.section, unit, context.node.chip, context.channel_causes, context.operand_rates),
      extents_(inputs.size(), Extent{-1, -1, 0, 0}),
      registers_(unit.inputs.size() + unit.body.size()) {
  RDU_CHECK(inputs.size() <= 32 && outputs.size() <= 32, "unit {} has more than 32 ports", unit.name);
  for (size_t i = 0; i < inputs.size(); ++i) {
    Input& port = inputs_.emplace_back();
    port.channel = inputs[i];
    port.phases = unit.inputs[i].phases;
  }
  for (size_t o = 0; o < outputs.size(); ++o) {
    Output& port = outputs_.emplace_back();
    port.channels = std::move(outputs[o]);
    port.port = &unit.outputs[o];
  }
}

void ComputeUnit::run() {
  for (int64_t firing = 0; firing < unit_.firings; ++firing) {
    const FiringActivity activity = take_inputs();
    const FiringCycles cost = cycles(activity, firing);
    const int64_t begin = time_;
    work_until(begin + cost.service_cycles);
    starve_until(begin + cost.operand_cycles);
    release_inputs();
    give_outputs(cost);
    finish_firing();
  }
  counters_.work = cost_.total();
}

FiringActivity ComputeUnit::take_inputs() {
  FiringActivity activity;
  int64_t ready = time_;
  for (size_t i = 0; i < inputs_.size(); ++i) {
    Input& in = inputs_[i];
    if (!in_window(in.phases, in.phase)) continue;
    await_token(*in.channel);
    Token token = in.channel->take();
    ready = std::max(ready, token.ready_cycle);
    in.tile = std::move(token.tile);
    in.held = true;
    extents_[i] = in.tile.extent;
    activity.inputs_taken |= 1U << i;
  }
  starve_until(ready);
  for (size_t o = 0; o < outputs_.size(); ++o) {
    if (in_window(outputs_[o].port->phases, outputs_[o].phase)) activity.outputs_active |= 1U << o;
  }
  return activity;
}

// Cost of the firing; leaves each output's result (or accumulator) in its tile.
FiringCycles ComputeUnit::cycles(FiringActivity activity, int64_t firing) {
  if (functional()) {
    for (size_t i = 0; i < inputs_.size(); ++i)
      extents_[i] = inputs_[i].held ? inputs_[i].tile.extent : Extent{-1, -1, 0, 0};
    auto computed = cost_.compute(activity, firing, extents_);
    if (!computed.ok()) fail(computed.take_error());
    cost_.count(cost_.work_of(activity, extents_, *computed));
    evaluate_body(activity, firing);
    extents_.resize(inputs_.size());
    return *computed;
  }
  auto found = cost_.at(extents_, activity, firing);
  if (!found.ok()) fail(found.take_error());
  const FiringCost::Entry& entry = **found;
  for (size_t o = 0; o < outputs_.size(); ++o) {
    // Shapes only: coordinates never change a time, and without them steady firings look alike.
    const Extent shape{entry.sources[o].rows, entry.sources[o].cols, 0, 0};
    update_output(outputs_[o], (activity.outputs_active >> o & 1U) != 0, shape, Tile{shape, nullptr});
  }
  return entry.cycles;
}

void ComputeUnit::evaluate_body(FiringActivity activity, int64_t firing) {
  const std::vector<bool>& needed = cost_.needed(activity.outputs_active);
  for (size_t i = 0; i < inputs_.size(); ++i) registers_[i] = inputs_[i].tile;
  for (size_t i = 0; i < unit_.body.size(); ++i) {
    const size_t result = inputs_.size() + i;
    if (!needed[result]) continue;
    const TileOp& op = unit_.body[i];
    std::array<const Tile*, 3> operands{};
    for (size_t k = 0; k < static_cast<size_t>(tile_op_record(op.kind).operands); ++k) {
      operands[k] = &registers_[op.operands[k]];
    }
    registers_[result] = evaluate_tile_op(op, operands, extents_[result], firing);
  }
  for (size_t o = 0; o < outputs_.size(); ++o) {
    const Register source = outputs_[o].port->source;
    const bool active = (activity.outputs_active >> o & 1U) != 0;
    if (needed[source]) update_output(outputs_[o], active, extents_[source], registers_[source]);
  }
}

void ComputeUnit::update_output(Output& output, bool active, const Extent& extent, Tile value) {
  const OutputPort& port = *output.port;
  if (port.accumulate == Accumulate::kNone) {
    if (active) output.tile = std::move(value);
    return;
  }
  if (output.reset_phase == 0) output.filled = false;
  if (!output.filled) {
    output.filled = true;
    if (port.keep_rows == 0 || extent.rows <= port.keep_rows) {
      output.tile = std::move(value);
      return;
    }
    const Extent empty{0, extent.cols, extent.row0, extent.col0};
    output.tile =
        Tile{empty, value.values == nullptr ? nullptr : std::make_shared<const std::vector<float>>()};
  }
  if (!accumulate_fits(port.accumulate, output.tile.extent, extent)) {
    fail(Error{ErrorCode::kInvalidInput, "output",
               fmt::format("a token of [{},{}] does not fit its accumulator of [{},{}]", extent.rows,
                           extent.cols, output.tile.extent.rows, output.tile.extent.cols),
               ""});
  }
  if (value.values == nullptr) {
    output.tile.extent = accumulate_extent(port.accumulate, output.tile.extent, extent, port.keep_rows);
  } else {
    output.tile = accumulate_tile(port.accumulate, output.tile, value, port.keep_rows);
  }
}

void ComputeUnit::release_inputs() {
  for (size_t i = 0; i < inputs_.size(); ++i) {
    Input& in = inputs_[i];
    advance(in.phase, in.phases.period);
    if (!in.held || (in.phase != 0 && !in_window(in.phases, in.phase))) continue;
    in.held = false;
    in.channel->release(time_);
    extents_[i] = Extent{-1, -1, 0, 0};
  }
}

void ComputeUnit::give_outputs(const FiringCycles& cost) {
  int64_t space = context_.begin_cycle;
  for (Output& out : outputs_) {
    if (!in_window(out.port->phases, out.phase)) continue;
    for (TokenChannel* channel : out.channels) {
      await_space(*channel);
      space = std::max(space, channel->space_cycle());
      channel->claim();
    }
  }
  block_until(space);
  results_ready_cycle_ = std::max(results_ready_cycle_, time_ + cost.latency_cycles);
  const int64_t first = std::max(space, results_ready_cycle_ - cost.result_cycles);
  for (Output& out : outputs_) {
    if (in_window(out.port->phases, out.phase)) emit(out.channels, out.tile, first, results_ready_cycle_);
    advance(out.phase, out.port->phases.period);
    advance(out.reset_phase, out.port->reset_period);
  }
}

}  // namespace rdusim::sim
