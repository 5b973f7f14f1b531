#include "sim/section_outcome.h"

#include <algorithm>
#include <numeric>

namespace rdusim::sim {

void extend(SectionOutcome& outcome, int64_t iterations, int64_t to_iterations, int64_t cycles) {
  const auto grow = [&](int64_t& x) {
    x = x / iterations * to_iterations + x % iterations * to_iterations / iterations;
  };
  for (std::vector<UnitCounters>& socket : outcome.counters) {
    for (UnitCounters& c : socket) {
      c.busy += c.ahead;
      for (int64_t* x : {&c.firings, &c.busy, &c.starved, &c.blocked, &c.work.reading_cycles}) grow(*x);
      c.busy -= c.ahead;
      for (int64_t& x : c.work.operations) grow(x);
      for (int64_t& x : c.work.operand_bytes) grow(x);
      for (int64_t& x : c.work.reread_byte_hops) grow(x);
      // The first iteration may be longer than the rest.
      c.busy = std::min(c.busy, cycles);
      c.blocked = std::min(c.blocked, cycles - c.busy);
      c.starved = std::min(c.starved, cycles - c.busy - c.blocked);
    }
  }
  for (ByteCounts& bytes : outcome.bytes) {
    for (auto& wire : bytes) {
      for (int64_t& x : wire) grow(x);
    }
  }
  for (CauseCounts& hops : outcome.rdn_byte_hops) {
    for (int64_t& x : hops) grow(x);
  }
  for (int64_t* x : {&outcome.flits.sent, &outcome.flits.delivered, &outcome.flits.hops,
                     &outcome.hbm_busy_cycles, &outcome.ddr_busy_cycles, &outcome.link_busy_cycles}) {
    grow(*x);
  }
  const int64_t simulated = outcome.firings_simulated;
  grow(outcome.firings_simulated);
  outcome.firings_skipped += outcome.firings_simulated - simulated;
  outcome.firings_simulated = simulated;
  outcome.cycles = cycles;
}

void leave_out_head_start(const Program& program, const Launch& launch, SectionOutcome& outcome) {
  const Section& section = program.sections[launch.section.value];
  for (size_t u = 0; u < section.units.size(); ++u) {
    if (!section.units[u].stream) continue;
    const SymbolId symbol = launch.row(0)[section.units[u].stream->argument.value];
    const Tier tier = program.symbols[symbol.value].tier;
    const int64_t ahead = outcome.counters[0][u].ahead;
    if (tier == Tier::kHbm) outcome.hbm_busy_cycles -= ahead;
    if (tier == Tier::kDdr) outcome.ddr_busy_cycles -= ahead;
  }
  // Whole cycles of many tokens may be more than their sum.
  outcome.hbm_busy_cycles = std::max<int64_t>(0, outcome.hbm_busy_cycles);
  outcome.ddr_busy_cycles = std::max<int64_t>(0, outcome.ddr_busy_cycles);
}

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

std::vector<int64_t> turn_ranks(const Section& section) {
  std::vector<size_t> by_name(section.units.size());
  std::iota(by_name.begin(), by_name.end(), size_t{0});
  std::sort(by_name.begin(), by_name.end(),
            [&](size_t a, size_t b) { return section.units[a].name < section.units[b].name; });
  std::vector<int64_t> ranks(by_name.size());
  for (size_t i = 0; i < by_name.size(); ++i) ranks[by_name[i]] = static_cast<int64_t>(i);
  return ranks;
}

// Latency of a route is that of its hops.
int64_t channel_hops(const Channel& channel, const RdnSpec& rdn) {
  if (channel.links == 0) return 0;  // does not cross the RDN
  return rdn.hop_latency_cycles > 0 ? channel.latency_cycles / rdn.hop_latency_cycles : rdn.average_hops;
}

int64_t read_hops(const Channel& channel, const RdnSpec& rdn) {
  return channel.pmus > 0 ? channel_hops(channel, rdn) / 2 : channel_hops(channel, rdn);
}

void count_channel_bytes(const Section& section, const ChipSpec& chip, const std::vector<int64_t>& written,
                         const std::vector<Cause>& causes, SectionOutcome& outcome) {
  auto& sram = outcome.bytes.back()[static_cast<size_t>(Wire::kSram)];
  CauseCounts& byte_hops = outcome.rdn_byte_hops.emplace_back();
  for (size_t u = 0; u < section.units.size(); ++u) {
    const Unit& unit = section.units[u];
    const bool buffer = unit.kind == UnitKind::kBuffer;
    for (const InputPort& port : unit.inputs) {
      const size_t c = port.channel.value;
      const Channel& channel = section.channels[c];
      const auto cause = static_cast<size_t>(causes[c]);
      sram[cause] += ((channel.pmus > 0 ? 1 : 0) + (buffer ? 1 : 0)) * written[c];
      byte_hops[cause] += channel_hops(channel, chip.rdn) * written[c];
      const bool moves = unit.stream || unit.exchange || (buffer && channel.pmus > 0);
      if (moves) outcome.counters.back()[u].work.operand_bytes[cause] += written[c];
    }
    const CauseCounts& again = outcome.counters.back()[u].work.reread_byte_hops;
    for (size_t k = 0; k < kCauseCount; ++k) byte_hops[k] += again[k];
  }
}

}  // namespace rdusim::sim
