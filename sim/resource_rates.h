// Rates and latencies of what units contend for, in the integers that both executors of the event fidelity
// use.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "base/arch/chip.h"
#include "base/program/critical_path.h"
#include "base/program/program.h"
#include "base/program/service.h"

namespace rdusim::sim {

inline int64_t clock_hz(const ChipSpec& chip) {
  return std::llround(chip.clock_hz);
}
// Of a socket's HBM or DDR: what it achieves under the pattern, at most what the AGCU ports take.
inline int64_t memory_bytes_per_s(const ChipSpec& chip, Tier tier, const MemoryPattern& pattern) {
  const double ports = static_cast<double>(chip.agcu_ports * chip.agcu_port_bytes_per_cycle) * chip.clock_hz;
  const MemorySpec& spec = tier == Tier::kHbm ? chip.hbm : chip.ddr;
  return std::llround(std::min(spec.achieved_bytes_per_s(pattern), ports));
}
inline int64_t memory_latency_cycles(const ChipSpec& chip, Tier tier) {
  return cycles_of_seconds((tier == Tier::kHbm ? chip.hbm : chip.ddr).latency_ns * 1e-9, chip.clock_hz);
}
// The same before rounding to cycles.
inline double memory_latency(const ChipSpec& chip, Tier tier) {
  return (tier == Tier::kHbm ? chip.hbm : chip.ddr).latency_ns * 1e-9 * chip.clock_hz;
}
inline int64_t link_bytes_per_s(const NodeSpec& node) {
  return std::llround(node.link.bandwidth_bytes_per_s);
}
inline int64_t link_latency_cycles(const NodeSpec& node) {
  return cycles_of_seconds(node.link.latency_ns * 1e-9, node.chip.clock_hz);
}
inline double link_latency(const NodeSpec& node) {
  return node.link.latency_ns * 1e-9 * node.chip.clock_hz;
}

// The step of a critical path that a memory's transfers at this rate are: of the memory, or of the AGCU ports
// where these are what limits it.
inline StepKind transfer_step(const ChipSpec& chip, Tier tier, int64_t bytes_per_s) {
  const double ports = static_cast<double>(chip.agcu_ports * chip.agcu_port_bytes_per_cycle) * chip.clock_hz;
  if (bytes_per_s >= std::llround(ports)) return StepKind::kAgcu;
  return tier == Tier::kHbm ? StepKind::kHbmTransfer : StepKind::kDdrTransfer;
}
// Reading operands is limited by the narrower of PMU ports and RDN links; where they are equal it counts as
// of the ports.
inline StepKind operand_step(const ChipSpec& chip) {
  return chip.pmu.port_bytes_per_cycle <= chip.rdn.link_bytes_per_cycle ? StepKind::kOperandPort
                                                                        : StepKind::kOperandLink;
}

}  // namespace rdusim::sim
