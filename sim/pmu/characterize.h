// Service table of a PMU: the cycle-level PMU over the widths of gathered rows that share a vector.
//
// Every point gathers rows at random (seeded) from a matrix of kGatheredMatrixRows rows, which lies in one
// bank of the chip's PMUs. A table follows from the port, the grid and the version of the model alone.
#pragma once

#include <string>

#include "base/arch/chip.h"
#include "base/arch/pmu_service.h"
#include "base/result.h"

namespace rdusim::sim {

inline constexpr int64_t kGatheredMatrixRows = 1024;

// The grid of the tables that ship; efficiency and hash are empty. Widths from an element of 16 bits to half
// a line: wider rows have a vector to themselves.
PmuService pmu_service_grid(const std::string& name, const PmuSpec& pmu);

// Achieved share of the read port for rows of that width.
Result<double> gather_efficiency(const PmuSpec& pmu, int64_t row_bytes, int64_t gathered_rows);

// Fills in the grid's efficiency and hash.
Status characterize_pmu(const PmuSpec& pmu, PmuService& service);

}  // namespace rdusim::sim
