#include "sim/energy.h"

#include "base/check.h"

namespace rdusim::sim {

namespace {

constexpr double kJoulesPerPicojoule = 1e-12;

double operations_joules(const WorkCounts& work, const EnergySpec& spec) {
  const std::array<double, kWorkKindCount> pj = {spec.mac_16bit_pj, spec.mac_32bit_pj, spec.map_pj,
                                                 spec.reduce_pj,    spec.tail_pj,      spec.cross_pj};
  double sum = 0;
  for (size_t k = 0; k < kWorkKindCount; ++k) sum += static_cast<double>(work[k]) * pj[k];
  return sum * kJoulesPerPicojoule;
}

}  // namespace

std::string_view energy_part_name(EnergyPart part) {
  constexpr std::array<std::string_view, kEnergyPartCount> kNames = {"gemm", "simd", "pmu",  "rdn",
                                                                     "hbm",  "ddr",  "link", "static"};
  return kNames[static_cast<size_t>(part)];
}

std::string_view energy_cause_name(size_t cause) {
  RDU_CHECK(cause < kEnergyCauseCount, "cause {}", cause);
  if (cause == kEnergyCompute) return "compute";
  return cause == kEnergyStatic ? "static" : cause_name(static_cast<Cause>(cause));
}

double Energy::of_part(EnergyPart part) const {
  double sum = 0;
  for (const double j : joules[static_cast<size_t>(part)]) sum += j;
  return sum;
}

double Energy::of_cause(size_t cause) const {
  double sum = 0;
  for (const auto& part : joules) sum += part[cause];
  return sum;
}

double Energy::total() const {
  double sum = 0;
  for (size_t p = 0; p < kEnergyPartCount; ++p) sum += of_part(static_cast<EnergyPart>(p));
  return sum;
}

Energy energy_of(const RunResult& run, const EnergySpec& spec) {
  Energy energy;
  const auto at = [&](EnergyPart part, size_t cause) -> double& {
    return energy.joules[static_cast<size_t>(part)][cause];
  };
  const auto moved = [](int64_t bytes, double pj_per_byte) {
    return static_cast<double>(bytes) * pj_per_byte * kJoulesPerPicojoule;
  };
  at(EnergyPart::kGemm, kEnergyCompute) = operations_joules(run.gemm_work, spec);
  at(EnergyPart::kSimd, kEnergyCompute) = operations_joules(run.simd_work, spec);
  for (size_t c = 0; c < kCauseCount; ++c) {
    const auto bytes = [&](Wire wire) { return run.bytes[static_cast<size_t>(wire)][c]; };
    at(EnergyPart::kPmu, c) = moved(bytes(Wire::kSram), spec.pmu_write_pj_per_byte) +
                              moved(run.operand_bytes[c], spec.pmu_read_pj_per_byte);
    at(EnergyPart::kRdn, c) = moved(run.rdn_byte_hops[c], spec.rdn_hop_pj_per_byte);
    at(EnergyPart::kHbm, c) = moved(bytes(Wire::kHbm), spec.hbm_pj_per_byte);
    at(EnergyPart::kDdr, c) = moved(bytes(Wire::kDdr), spec.ddr_pj_per_byte);
    at(EnergyPart::kLink, c) = moved(bytes(Wire::kLink), spec.link_pj_per_byte);
  }
  at(EnergyPart::kStatic, kEnergyStatic) =
      spec.static_w_per_socket * static_cast<double>(run.sockets) * run.latency_s();
  return energy;
}

}  // namespace rdusim::sim
