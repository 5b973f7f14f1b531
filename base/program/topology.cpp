#include "base/program/topology.h"

#include <fmt/format.h>

#include <algorithm>

namespace rdusim {

namespace {

Error section_error(const Section& section, const std::string& part, std::string what) {
  return Error{ErrorCode::kInvalidInput, fmt::format("section {}, {}", section.name, part), std::move(what),
               ""};
}

}  // namespace

int64_t active_firings(const Phases& phases, int64_t firings) {
  const int64_t whole = firings / phases.period;
  const int64_t rest = firings % phases.period;
  return whole * (phases.end - phases.begin) +
         std::clamp<int64_t>(rest - phases.begin, 0, phases.end - phases.begin);
}

Result<std::vector<ChannelEnds>> channel_ends(const Section& section) {
  std::vector<ChannelEnds> ends(section.channels.size());
  for (size_t u = 0; u < section.units.size(); ++u) {
    const Unit& unit = section.units[u];
    const std::string part = "unit " + unit.name;
    for (size_t i = 0; i < unit.inputs.size(); ++i) {
      const size_t c = unit.inputs[i].channel.value;
      if (c >= ends.size())
        return section_error(section, part,
                             fmt::format("input {} names channel {} of {}", i, c, ends.size()));
      if (ends[c].consumer) {
        return section_error(section, part,
                             fmt::format("channel {} has a second consumer", section.channels[c].name));
      }
      ends[c].consumer = UnitId(u);
      ends[c].input_port = i;
    }
    for (size_t i = 0; i < unit.outputs.size(); ++i) {
      for (const ChannelId id : unit.outputs[i].channels) {
        const size_t c = id.value;
        if (c >= ends.size())
          return section_error(section, part,
                               fmt::format("output {} names channel {} of {}", i, c, ends.size()));
        if (ends[c].producer) {
          return section_error(section, part,
                               fmt::format("channel {} has a second producer", section.channels[c].name));
        }
        ends[c].producer = UnitId(u);
        ends[c].output_port = i;
      }
    }
  }
  for (size_t c = 0; c < ends.size(); ++c) {
    const std::string part = "channel " + section.channels[c].name;
    if (!ends[c].producer) return section_error(section, part, "no unit writes it");
    if (!ends[c].consumer) return section_error(section, part, "no unit reads it");
  }
  return ends;
}

std::vector<bool> needed_registers(const Unit& unit, const std::vector<bool>& outputs_read) {
  std::vector<bool> needed(unit.inputs.size() + unit.body.size(), false);
  for (size_t i = 0; i < unit.outputs.size(); ++i) {
    if (outputs_read[i]) needed[unit.outputs[i].source] = true;
  }
  for (size_t i = unit.body.size(); i-- > 0;) {
    if (!needed[unit.inputs.size() + i]) continue;
    const TileOp& op = unit.body[i];
    const int operands = tile_op_record(op.kind).operands;
    for (int k = 0; k < operands; ++k) needed[op.operands[static_cast<size_t>(k)]] = true;
  }
  return needed;
}

}  // namespace rdusim
