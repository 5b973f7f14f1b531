// --energy: what a run costs in joules, beside its result, as JSON and as a table.
#pragma once

#include <string>

#include "base/arch/energy.h"
#include "base/program/run_result.h"
#include "report/manifest.h"
#include "report/table.h"

namespace rdusim::cli {

// {spec, total_j, mean_w, tokens_per_joule, by_part_j{}, by_cause_j{}, operations{}, operand_bytes,
// rdn_byte_hops}.
report::Json energy_json(const RunResult& run, const EnergySpec& spec, int64_t tokens);
// A row a part of the chip, a column a cause that anything was spent on, joules.
report::Table energy_table(const RunResult& run, const EnergySpec& spec);
// "1.94 J, 87.3 W a socket"
std::string energy_summary(const RunResult& run, const EnergySpec& spec);

}  // namespace rdusim::cli
