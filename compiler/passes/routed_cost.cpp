#include "compiler/passes/routed_cost.h"

#include <algorithm>
#include <vector>

#include "base/program/operand_reads.h"
#include "compiler/passes/pass.h"

namespace rdusim::compiler {

namespace {

// Whether memory streams into each channel.
std::vector<bool> streamed_channels(const Section& section) {
  std::vector<bool> streamed(section.channels.size(), false);
  for (const Unit& unit : section.units) {
    if (unit.kind != UnitKind::kLoad || unit.stream->gather) continue;
    for (const ChannelId c : unit.outputs[0].channels) streamed[c.value] = true;
  }
  return streamed;
}

}  // namespace

Result<int64_t> routed_cycles(const Section& section, const SectionTraffic& traffic, const ChipSpec& chip) {
  Compilation trial;
  trial.chip = &chip;
  trial.program.sections.push_back(section);
  trial.traffic.push_back(traffic);
  RDU_CHECK_OK(place(trial));
  RDU_CHECK_OK(route(trial));
  const Section& routed = trial.program.sections[0];
  const std::vector<int64_t> rates = operand_rates(routed, chip);
  const std::vector<bool> streamed = streamed_channels(routed);
  const double hbm_bytes_per_cycle = chip.hbm.achieved_bytes_per_s() / chip.clock_hz;
  double slowest = 0;
  double turns = 0;
  for (const Unit& unit : routed.units) {
    if (unit.kind != UnitKind::kGemm && unit.kind != UnitKind::kSimd) continue;
    double reading = 0;
    double streaming = 0;
    for (const InputPort& port : unit.inputs) {
      const size_t c = port.channel.value;
      const ChannelTraffic& t = traffic.channels[c];
      if (streamed[c]) streaming += static_cast<double>(t.bytes) / hbm_bytes_per_cycle;
      if (rates[c] > 0)
        reading = std::max(reading, static_cast<double>(t.read_bytes) / static_cast<double>(rates[c]));
    }
    slowest = std::max(slowest, reading);
    if (streaming > 0) turns += std::max(reading, streaming);
  }
  return std::max({traffic.cycles(), trial.traffic[0].mesh_cycles, static_cast<int64_t>(slowest),
                   static_cast<int64_t>(turns)});
}

}  // namespace rdusim::compiler
