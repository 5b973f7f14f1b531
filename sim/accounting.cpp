#include "sim/accounting.h"

#include <algorithm>

namespace rdusim::sim {

namespace {

// assumed: what saturates a resource in practice, and what makes a unit, not the waits between units, the
// bottleneck.
constexpr double kSaturated = 0.9;
constexpr double kDominant = 0.5;

bool exceeds(int64_t busy, int64_t cycles, double share) {
  return static_cast<double>(busy) > share * static_cast<double>(cycles);
}

}  // namespace

std::string bound_by(const Section& section, const SectionOutcome& outcome) {
  if (exceeds(outcome.hbm_busy_cycles, outcome.cycles, kSaturated)) return "hbm";
  if (exceeds(outcome.ddr_busy_cycles, outcome.cycles, kSaturated)) return "ddr";
  if (exceeds(outcome.link_busy_cycles, outcome.cycles, kSaturated)) return "link";
  const std::vector<UnitCounters>& counters = outcome.counters[0];
  const auto occupied = [&](size_t u) { return counters[u].busy + counters[u].work.reading_cycles; };
  size_t busiest = section.units.size();
  for (size_t u = 0; u < section.units.size(); ++u) {
    if (section.units[u].stream || section.units[u].exchange) continue;
    if (busiest == section.units.size() || occupied(u) > occupied(busiest) ||
        (occupied(u) == occupied(busiest) && section.units[u].name < section.units[busiest].name))
      busiest = u;
  }
  if (busiest == section.units.size() || !exceeds(occupied(busiest), outcome.cycles, kDominant))
    return "latency";
  // Where both take nearly as long, more ports alone would not help.
  const bool works = exceeds(counters[busiest].busy, occupied(busiest), kSaturated);
  return (works ? "unit " : "PMU reads of ") + section.units[busiest].name;
}

Accounting::Accounting(const Program& program, const NodeSpec& node, const LaunchTiming& timing,
                       Fidelity fidelity)
    : program_(program),
      physical_units_(node.chip.pcu.count + node.chip.pmu.count),
      launch_cycles_(timing.launch_cycles) {
  result_.fidelity = fidelity;
  result_.clock_hz = node.chip.clock_hz;
  result_.sockets = program.sockets;
}

size_t Accounting::add_section(const LaunchRun& run, const SectionOutcome& outcome) {
  const Section& section = program_.sections[run.launch.section.value];
  Kind& kind = kinds_.emplace_back();
  kind.section = &section;
  SectionResult& result = result_.sections.emplace_back();
  result.name = section.name;
  result.cycles_per_launch = outcome.cycles;
  result.iterations = run.launch.iterations;
  result.head_start_cycles = run.head_start.cycles;
  result.launch_cycles_per_launch = launch_cycles_;
  result.bound_by = bound_by(section, outcome);
  result.bytes = outcome.bytes[0];
  result.rdn_byte_hops = outcome.rdn_byte_hops[0];
  result.flits = outcome.flits;
  for (const Channel& c : section.channels) result.pmus += c.pmus;
  for (size_t u = 0; u < section.units.size(); ++u) {
    const Unit& unit = section.units[u];
    const UnitCounters& c = outcome.counters[0][u];
    result.pcus += unit.pcus;
    result.pmus += unit.pmus;
    result.units.push_back({unit.name, unit.kind, unit.pcus, unit.pmus, c.firings, c.busy, c.starved,
                            c.blocked, outcome.cycles - c.busy - c.starved - c.blocked, c.work.operations,
                            c.work.operand_bytes, c.ahead});
    int64_t weight = unit.pcus + unit.pmus;
    for (const InputPort& port : unit.inputs) weight += section.channels[port.channel.value].pmus;
    kind.weights.push_back(weight);
    kind.configured += weight;
  }
  return kinds_.size() - 1;
}

void Accounting::add_bytes(ByteCounts& to, const ByteCounts& from, int64_t times) const {
  for (size_t w = 0; w < kWireCount; ++w) {
    for (size_t c = 0; c < kCauseCount; ++c) to[w][c] += from[w][c] * times;
  }
}

void Accounting::add_unit_cycles(const Kind& kind, const SectionOutcome& outcome, int64_t launch_cycles) {
  const int64_t stands_for = program_.sockets / static_cast<int64_t>(outcome.counters.size());
  UnitCycles sum;
  for (const std::vector<UnitCounters>& socket : outcome.counters) {
    int64_t occupied = 0;
    for (size_t u = 0; u < socket.size(); ++u) {
      const int64_t weight = kind.weights[u];
      sum.busy += weight * (socket[u].busy + socket[u].ahead);
      sum.launching -= weight * socket[u].ahead;
      sum.starved += weight * socket[u].starved;
      sum.blocked += weight * socket[u].blocked;
      occupied += weight * (socket[u].busy + socket[u].starved + socket[u].blocked);
    }
    sum.idle += physical_units_ * outcome.cycles - occupied;
    sum.launching += kind.configured * launch_cycles;
    sum.idle += (physical_units_ - kind.configured) * launch_cycles;
  }
  result_.unit_cycles.busy += sum.busy * stands_for;
  result_.unit_cycles.starved += sum.starved * stands_for;
  result_.unit_cycles.blocked += sum.blocked * stands_for;
  result_.unit_cycles.launching += sum.launching * stands_for;
  result_.unit_cycles.idle += sum.idle * stands_for;
}

void Accounting::add_work(const Unit& unit, const FiringWork& work, int64_t times) {
  WorkCounts& operations = unit.kind == UnitKind::kGemm ? result_.gemm_work : result_.simd_work;
  for (size_t k = 0; k < kWorkKindCount; ++k) operations[k] += times * work.operations[k];
  for (size_t c = 0; c < kCauseCount; ++c) result_.operand_bytes[c] += times * work.operand_bytes[c];
}

void Accounting::add_run(size_t kind, const SectionOutcome& outcome, bool launched) {
  ++result_.sections[kind].runs;
  if (launched) ++result_.sections[kind].launches;
  const int64_t launch_cycles = launched ? launch_cycles_ : 0;
  result_.cycles += launch_cycles + outcome.cycles;
  add_unit_cycles(kinds_[kind], outcome, launch_cycles);
  const int64_t stands_for = program_.sockets / static_cast<int64_t>(outcome.bytes.size());
  for (const ByteCounts& bytes : outcome.bytes) add_bytes(result_.bytes, bytes, stands_for);
  for (const CauseCounts& hops : outcome.rdn_byte_hops) {
    for (size_t c = 0; c < kCauseCount; ++c) result_.rdn_byte_hops[c] += stands_for * hops[c];
  }
  const Section& section = *kinds_[kind].section;
  for (const std::vector<UnitCounters>& socket : outcome.counters) {
    for (size_t u = 0; u < socket.size(); ++u) add_work(section.units[u], socket[u].work, stands_for);
  }
}

RunResult Accounting::take(int64_t firings_simulated, int64_t firings_skipped) {
  result_.firings_skipped = firings_skipped;
  result_.firings_simulated = firings_simulated;
  return std::move(result_);
}

}  // namespace rdusim::sim
