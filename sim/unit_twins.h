// The service times that allocation, analytic and event use (base/program/service.h), beside what the
// cycle-level PCU and PMU take for the same firings: a fixed suite of the shapes that compiled models have.
// Each PCU case runs alone (one firing: latency counts) and as a stream of firings (rate counts), its
// operands a vector a cycle.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/arch/chip.h"
#include "base/program/pmu_access.h"
#include "base/program/program.h"
#include "base/program/tile.h"
#include "base/result.h"

namespace rdusim::sim {

// One compute firing: a body on operands of given extents.
struct PcuCase {
  std::string name;
  Unit unit;  // kind, body, pcus, one input port an operand
  std::vector<Extent> inputs;
};

// One token through a PMU buffer: written, and read in a pattern, by different ports at once.
struct PmuCase {
  std::string name;
  int64_t rows = 1;
  int64_t cols = 1;
  int64_t element_bytes = 2;
  int64_t pmus = 1;
  PmuAccess access = PmuAccess::kStream;  // of a gather: rows x cols are what is picked, of 1024 rows
};

struct TwinRow {
  std::string unit;  // "pcu" or "pmu"
  std::string name;
  int64_t firings = 1;
  int64_t service_cycles = 0;  // what service.h says they take, first operand to last result
  int64_t cycle_cycles = 0;    // what the cycle-level twin takes
  [[nodiscard]] double difference_percent() const {
    return (static_cast<double>(service_cycles) / static_cast<double>(cycle_cycles) - 1) * 100;
  }
};

// Products of decoder layers, gemv, softmax and norm rows shorter and longer than the lanes, rotary
// embedding, gating, reductions that break a chain, maps.
std::vector<PcuCase> pcu_cases();
std::vector<PmuCase> pmu_cases();

// Fails when a case's operands do not fit its body, or a chip's PMU has no banks by powers of two.
Result<TwinRow> compare_pcu(const PcuCase& pcu_case, const ChipSpec& chip, int64_t firings);
Result<TwinRow> compare_pmu(const PmuCase& pmu_case, const ChipSpec& chip);
// All of it: every PCU case with one firing and with 16, every PMU case.
Result<std::vector<TwinRow>> unit_twins(const ChipSpec& chip);

}  // namespace rdusim::sim
