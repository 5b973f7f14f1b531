#include "sim/token_shapes.h"

#include <algorithm>

#include "base/program/operand_reads.h"
#include "sim/section_outcome.h"

namespace rdusim::sim {

namespace {

// Firing that emits a port's token `number`.
int64_t firing_of(const Phases& phases, int64_t number) {
  const int64_t length = phases.end - phases.begin;
  return number / length * phases.period + phases.begin + number % length;
}

bool same_shape(const Extent& a, const Extent& b) {
  return a.rows == b.rows && a.cols == b.cols;
}

}  // namespace

TokenShapes::TokenShapes(const Program& program, const Section& section, const Launch& launch,
                         const ChipSpec& chip, const std::vector<ChannelEnds>& ends)
    : program_(program),
      section_(section),
      launch_(launch),
      ends_(ends),
      channel_causes_(channel_causes(section)),
      operand_rates_(rdusim::operand_rates(section, chip)),
      firings_(section.units.size()) {
  costs_.reserve(section.units.size());
  for (const Unit& unit : section.units)
    costs_.emplace_back(section, unit, chip, channel_causes_, operand_rates_);
}

Result<Extent> TokenShapes::token(ChannelId channel, int64_t number) {
  const ChannelEnds& ends = ends_[channel.value];
  const Unit& producer = section_.units[ends.producer->value];
  if (depth_ > section_.units.size()) {
    return Error{ErrorCode::kUnsupported, "unit " + producer.name, "its output comes back to its input",
                 "the closed form knows no loops; use the event engine"};
  }
  ++depth_;
  auto extent = [&] {
    switch (producer.kind) {
      case UnitKind::kLoad:
      case UnitKind::kStore:
        return streamed(producer, number);
      case UnitKind::kSend:
      case UnitKind::kReceive:
        return exchanged(producer, number);
      default:
        return computed(ends.producer->value, ends.output_port, number);
    }
  }();
  --depth_;
  return extent;
}

Result<Extent> TokenShapes::streamed(const Unit& unit, int64_t number) {
  const MemoryStream& s = *unit.stream;
  const Symbol& symbol = program_.symbols[launch_.bindings[s.argument.value].value];
  const int64_t cols = std::clamp<int64_t>(symbol.cols - s.col_begin, 0, s.cols);
  if (s.gather) {
    RDU_ASSIGN(const Extent rows, token(unit.inputs[0].channel, number));
    return Extent{rows.rows, cols, 0, 0};
  }
  const int64_t in_segment = number % s.tokens_per_segment() * s.rows_per_token;
  const int64_t segment = number / s.tokens_per_segment() % s.segments;
  const int64_t rows = std::min(s.rows_per_token, s.rows - in_segment);
  if (s.ring > 0) return Extent{rows, cols, 0, 0};
  const int64_t begin = s.begin + segment * s.stride + in_segment;
  return Extent{std::clamp<int64_t>(symbol.rows - begin, 0, rows), cols, 0, 0};
}

Result<Extent> TokenShapes::exchanged(const Unit& unit, int64_t number) {
  RDU_ASSIGN(Extent extent, token(unit.inputs[0].channel, number));
  const int64_t sockets = program_.sockets;
  if (unit.kind == UnitKind::kSend) {
    if (unit.exchange->mode == ExchangeMode::kScatterCols)
      extent.cols = (extent.cols + sockets - 1) / sockets;
    return extent;
  }
  if (unit.exchange->combine == Combine::kConcatCols) extent.cols *= sockets;
  extent.cols = std::min(extent.cols, section_.channels[unit.outputs[0].channels[0].value].cols);
  return extent;
}

Result<Extent> TokenShapes::computed(size_t unit, size_t output, int64_t number) {
  const OutputPort& port = section_.units[unit].outputs[output];
  const int64_t f = firing_of(port.phases, number);
  if (port.accumulate != Accumulate::kConcatRows && port.accumulate != Accumulate::kConcatCols) {
    RDU_ASSIGN(const FiringCost::Entry* entry, firing(unit, f));
    return entry->sources[output];
  }
  RDU_ASSIGN(Extent all, collected(unit, output, f - f % port.reset_period, f + 1));
  if (port.keep_rows > 0) all.rows = std::min(all.rows, port.keep_rows);
  return all;
}

// What the port's register brings in firings [begin, end), put together. Pieces whose ends and middle are
// alike are alike throughout: a ragged piece is the last of its run, and one with cached rows before it the
// first.
Result<Extent> TokenShapes::collected(size_t unit, size_t output, int64_t begin, int64_t end) {
  const bool by_rows = section_.units[unit].outputs[output].accumulate == Accumulate::kConcatRows;
  RDU_ASSIGN(const FiringCost::Entry* first, firing(unit, begin));
  Extent all = first->sources[output];
  int64_t& grows = by_rows ? all.rows : all.cols;
  const int64_t count = end - begin;
  if (count == 1) return all;
  const int64_t middle = begin + count / 2;
  RDU_ASSIGN(const FiringCost::Entry* half, firing(unit, middle));
  RDU_ASSIGN(const FiringCost::Entry* last, firing(unit, end - 1));
  if (same_shape(all, half->sources[output]) && same_shape(all, last->sources[output])) {
    grows *= count;
    return all;
  }
  RDU_ASSIGN(all, collected(unit, output, begin, middle));
  RDU_ASSIGN(const Extent rest, collected(unit, output, middle, end));
  grows += by_rows ? rest.rows : rest.cols;
  return all;
}

Result<const FiringCost::Entry*> TokenShapes::firing(size_t unit, int64_t number) {
  const auto known = firings_[unit].find(number);
  if (known != firings_[unit].end()) return &known->second;
  RDU_ASSIGN(FiringCost::Entry entry, trace(unit, number));
  return &firings_[unit].emplace(number, std::move(entry)).first->second;
}

Result<FiringCost::Entry> TokenShapes::trace(size_t unit, int64_t number) {
  const Unit& x = section_.units[unit];
  FiringActivity activity;
  std::vector<Extent> registers(x.inputs.size(), Extent{-1, -1, 0, 0});
  for (size_t i = 0; i < x.inputs.size(); ++i) {
    const Phases& phases = x.inputs[i].phases;
    if (phases.active(number)) activity.inputs_taken |= 1U << i;
    if (number % phases.period < phases.begin) continue;
    RDU_ASSIGN(registers[i], token(x.inputs[i].channel, active_firings(phases, number + 1) - 1));
  }
  for (size_t o = 0; o < x.outputs.size(); ++o) {
    if (x.outputs[o].phases.active(number)) activity.outputs_active |= 1U << o;
  }
  FiringCost::Entry entry;
  RDU_ASSIGN(entry.cycles, costs_[unit].compute(activity, number, registers));
  entry.work = costs_[unit].work_of(activity, registers, entry.cycles);
  const std::vector<bool>& needed = costs_[unit].needed(activity.outputs_active);
  for (const OutputPort& port : x.outputs) {
    const Extent& source = registers[port.source];
    entry.sources.push_back(needed[port.source] ? Extent{source.rows, source.cols, 0, 0} : Extent{});
  }
  return entry;
}

}  // namespace rdusim::sim
