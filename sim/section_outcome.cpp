#include "sim/section_outcome.h"

namespace rdusim::sim {

std::vector<Cause> channel_causes(const Section& section) {
  std::vector<Cause> causes(section.channels.size(), Cause::kActivations);
  for (const Unit& unit : section.units) {
    Cause cause = unit.exchange ? Cause::kCollective : Cause::kActivations;
    if (unit.stream) cause = section.arguments[unit.stream->argument.value].cause;
    for (const OutputPort& port : unit.outputs) {
      for (const ChannelId c : port.channels) causes[c.value] = cause;
    }
  }
  return causes;
}

void count_channel_bytes(const Section& section, const std::vector<int64_t>& bytes_written,
                         const std::vector<Cause>& causes, std::vector<UnitCounters>& counters,
                         ByteCounts& bytes) {
  auto& sram = bytes[static_cast<size_t>(Wire::kSram)];
  for (size_t u = 0; u < section.units.size(); ++u) {
    const Unit& unit = section.units[u];
    const bool buffer = unit.kind == UnitKind::kBuffer;
    for (const InputPort& port : unit.inputs) {
      const size_t c = port.channel.value;
      const auto cause = static_cast<size_t>(causes[c]);
      const int64_t held_twice = (section.channels[c].pmus > 0 ? 1 : 0) + (buffer ? 1 : 0);
      sram[cause] += held_twice * bytes_written[c];
      if (unit.stream || unit.exchange) counters[u].work.operand_bytes[cause] += bytes_written[c];
    }
  }
}

}  // namespace rdusim::sim
