#include "cli/energy.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <numeric>

#include "report/format.h"
#include "sim/energy.h"

namespace rdusim::cli {
namespace {

std::string joules(double j) {
  if (j == 0) return "0";
  return j < 1 ? report::format_number(j * 1e3) + " mJ" : report::format_number(j) + " J";
}

double mean_watts(const sim::Energy& energy, const RunResult& run) {
  return run.cycles > 0 ? energy.total() / run.latency_s() : 0;
}

int64_t sum(const CauseCounts& counts) {
  return std::accumulate(counts.begin(), counts.end(), int64_t{0});
}

}  // namespace

report::Json energy_json(const RunResult& run, const EnergySpec& spec, int64_t tokens) {
  const sim::Energy energy = sim::energy_of(run, spec);
  report::Json json;
  json["spec"] = spec.name;
  json["total_j"] = energy.total();
  json["mean_w"] = mean_watts(energy, run);
  json["tokens_per_joule"] = energy.total() > 0 ? static_cast<double>(tokens) / energy.total() : 0;
  for (size_t p = 0; p < sim::kEnergyPartCount; ++p) {
    const auto part = static_cast<sim::EnergyPart>(p);
    json["by_part_j"][std::string(energy_part_name(part))] = energy.of_part(part);
  }
  for (size_t c = 0; c < sim::kEnergyCauseCount; ++c)
    json["by_cause_j"][std::string(sim::energy_cause_name(c))] = energy.of_cause(c);
  for (size_t k = 0; k < kWorkKindCount; ++k) {
    json["operations"][std::string(work_kind_name(static_cast<WorkKind>(k)))] =
        run.gemm_work[k] + run.simd_work[k];
  }
  json["operand_bytes"] = sum(run.operand_bytes);
  json["rdn_byte_hops"] = sum(run.rdn_byte_hops);
  return json;
}

report::Table energy_table(const RunResult& run, const EnergySpec& spec) {
  const sim::Energy energy = sim::energy_of(run, spec);
  report::Table table;
  table.header = {"energy", "in all", "share"};
  std::vector<size_t> causes;
  for (size_t c = 0; c < sim::kEnergyCauseCount; ++c) {
    if (energy.of_cause(c) > 0) causes.push_back(c);
  }
  for (const size_t c : causes) table.header.emplace_back(sim::energy_cause_name(c));
  for (size_t p = 0; p < sim::kEnergyPartCount; ++p) {
    const auto part = static_cast<sim::EnergyPart>(p);
    if (energy.of_part(part) == 0) continue;
    std::vector<std::string> row = {std::string(energy_part_name(part)), joules(energy.of_part(part)),
                                    report::format_percent(energy.of_part(part) / energy.total())};
    for (const size_t c : causes) row.push_back(joules(energy.joules[p][c]));
    table.add(std::move(row));
  }
  return table;
}

std::string energy_summary(const RunResult& run, const EnergySpec& spec) {
  const sim::Energy energy = sim::energy_of(run, spec);
  return fmt::format("energy ({}): {}, {} W a socket", spec.name, joules(energy.total()),
                     report::format_number(mean_watts(energy, run) / static_cast<double>(run.sockets)));
}

}  // namespace rdusim::cli
