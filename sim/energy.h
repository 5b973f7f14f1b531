// Energy of a run, from what it executed and moved (counters of RunResult), never from how long it took; only
// static power goes by time.
//
//   joules[part][cause]: rows are parts of the chip, columns why; so both sums are the total
//
// Left out: clock and control of running units beyond what static power stands for, DRAM activates and
// refresh beyond the average in a byte's energy, padding of bursts, the host.
#pragma once

#include <array>
#include <string_view>

#include "base/arch/energy.h"
#include "base/program/run_result.h"

namespace rdusim::sim {

// What spends it: gemm and simd units' PCUs, PMUs, RDN, memories, links; all of a socket for its static
// power.
enum class EnergyPart : uint8_t { kGemm, kSimd, kPmu, kRdn, kHbm, kDdr, kLink, kStatic };
inline constexpr size_t kEnergyPartCount = 8;
std::string_view energy_part_name(EnergyPart part);

// Why: bytes have their Cause; then the operations, then static power.
inline constexpr size_t kEnergyCompute = kCauseCount;
inline constexpr size_t kEnergyStatic = kCauseCount + 1;
inline constexpr size_t kEnergyCauseCount = kCauseCount + 2;
std::string_view energy_cause_name(size_t cause);

struct Energy {
  std::array<std::array<double, kEnergyCauseCount>, kEnergyPartCount> joules{};
  [[nodiscard]] double of_part(EnergyPart part) const;
  [[nodiscard]] double of_cause(size_t cause) const;
  [[nodiscard]] double total() const;
};

// Of all sockets.
Energy energy_of(const RunResult& run, const EnergySpec& spec);

}  // namespace rdusim::sim
