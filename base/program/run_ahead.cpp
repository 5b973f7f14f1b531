#include "base/program/run_ahead.h"

#include <cstddef>

namespace rdusim {
namespace {

constexpr size_t kNoUnit = ~size_t{0};

// Producer of each channel.
std::vector<size_t> producers(const Section& section) {
  std::vector<size_t> by_channel(section.channels.size(), kNoUnit);
  for (size_t u = 0; u < section.units.size(); ++u) {
    for (const OutputPort& port : section.units[u].outputs) {
      for (const ChannelId c : port.channels) by_channel[c.value] = u;
    }
  }
  return by_channel;
}

// A later iteration may begin ahead, too, so no iteration's symbol may have been stored.
bool reads_stored(const Launch& launch, const Unit& load, const std::vector<bool>& stored) {
  for (int64_t i = 0; i < launch.iterations; ++i) {
    if (stored[launch.row(i)[load.stream->argument.value].value]) return true;
  }
  return false;
}

std::vector<bool> units_ahead_of(const Section& section, const Launch& launch,
                                 const std::vector<bool>& stored) {
  std::vector<bool> ahead(section.units.size(), false);
  for (size_t u = 0; u < section.units.size(); ++u) {
    const Unit& unit = section.units[u];
    // A gather's row numbers come from a unit.
    if (unit.kind != UnitKind::kLoad || !unit.inputs.empty()) continue;
    ahead[u] =
        is_kept(section.arguments[unit.stream->argument.value].cause) && !reads_stored(launch, unit, stored);
  }
  // A buffer takes what loads bring; what it takes from stages comes when they work. Buffers may follow
  // buffers.
  const std::vector<size_t> from = producers(section);
  for (bool changed = true; changed;) {
    changed = false;
    for (size_t u = 0; u < section.units.size(); ++u) {
      if (ahead[u] || section.units[u].kind != UnitKind::kBuffer) continue;
      for (const InputPort& port : section.units[u].inputs) {
        const size_t producer = from[port.channel.value];
        ahead[u] = ahead[u] || (producer != kNoUnit && ahead[producer]);
      }
      changed = changed || ahead[u];
    }
  }
  return ahead;
}

void mark_stored(const Section& section, const Launch& launch, std::vector<bool>& stored) {
  for (const Unit& unit : section.units) {
    if (unit.kind != UnitKind::kStore) continue;
    for (int64_t i = 0; i < launch.iterations; ++i)
      stored[launch.row(i)[unit.stream->argument.value].value] = true;
  }
}

}  // namespace

bool is_kept(Cause cause) {
  return cause == Cause::kWeights || cause == Cause::kKvCache || cause == Cause::kState ||
         cause == Cause::kConstants;
}

std::vector<std::vector<bool>> units_ahead(const Program& program) {
  std::vector<std::vector<bool>> ahead(program.launches.size());
  std::vector<bool> stored(program.symbols.size(), false);
  for (size_t i = 0; i < program.launches.size(); ++i) {
    const Launch& launch = program.launches[i];
    const Section& section = program.sections[launch.section.value];
    if (launch.prefetch) ahead[i] = units_ahead_of(section, launch, stored);
    mark_stored(section, launch, stored);
  }
  return ahead;
}

}  // namespace rdusim
