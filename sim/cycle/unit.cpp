// What the units of the cycle engine have in common.
#include <fmt/format.h>

#include <algorithm>

#include "sim/cycle/engine.h"

namespace rdusim::sim::cycle {

CycleUnit::CycleUnit(Engine& engine, size_t index)
    : engine_(engine),
      unit_(engine.section().units[index]),
      index_(index),
      firings_per_iteration_(unit_.firings / engine.context().iterations) {
  for (const InputPort& port : unit_.inputs) inputs_.push_back(&engine.channel(port.channel));
  for (const OutputPort& port : unit_.outputs) {
    auto& channels = outputs_.emplace_back();
    for (const ChannelId c : port.channels) channels.push_back(&engine.channel(c));
  }
}

int64_t CycleUnit::now() const {
  return engine_.now();
}

bool CycleUnit::tokens_there(int64_t firing) const {
  for (size_t i = 0; i < inputs_.size(); ++i) {
    if (unit_.inputs[i].phases.active(firing) && !inputs_[i]->has_token()) return false;
  }
  return true;
}

bool CycleUnit::space_there(int64_t firing) {
  for (size_t o = 0; o < outputs_.size(); ++o) {
    if (!unit_.outputs[o].phases.active(firing)) continue;
    for (CycleChannel* c : outputs_[o]) {
      if (c->has_space()) continue;
      c->producer_waits = true;
      return false;
    }
  }
  return true;
}

void CycleUnit::finish_firing() {
  ++done_;
  ++counters_.firings;
  end_cycle_ = std::max(end_cycle_, now());
  if (done_ % firings_per_iteration_ != 0) return;
  engine_.end_iteration(iterations_done() - 1);
  for (const uint32_t unit : told_) engine_.add_event(now(), EventKind::kAdvance, unit, 0);
}

void CycleUnit::count_busy(int64_t begin, int64_t end) {
  const int64_t border = std::clamp(engine_.launched_cycle(), begin, end);
  counters_.ahead += border - begin;
  counters_.busy += end - border;
}

std::string CycleUnit::waits_for() const {
  std::string text = fmt::format("unit {} has done {} of {} firings", unit_.name, done_, unit_.firings);
  for (size_t i = 0; i < inputs_.size(); ++i) {
    if (unit_.inputs[i].phases.active(begun_) && !inputs_[i]->has_token())
      text += fmt::format(", waits for a token of channel {}", inputs_[i]->spec->name);
  }
  for (const auto& port : outputs_) {
    for (const CycleChannel* c : port) {
      if (!c->has_space()) text += fmt::format(", has no space in channel {}", c->spec->name);
    }
  }
  return text;
}

void CycleUnit::add_bytes(ByteCounts& bytes) const {
  if (wire_ == Wire::kSram && unit_.kind == UnitKind::kLoad) return;  // an operand read
  bytes[static_cast<size_t>(wire_)][static_cast<size_t>(cause_)] += bytes_moved_;
}

}  // namespace rdusim::sim::cycle
