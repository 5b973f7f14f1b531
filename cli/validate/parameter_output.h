// The free parameters and what hangs on them, as tables and JSON.
#pragma once

#include <string>

#include "cli/validate/parameters.h"
#include "report/manifest.h"
#include "report/table.h"

namespace rdusim::cli {

// A line a parameter: value, unit, how it was set, meaning, from what.
report::Table parameter_list(const ParameterFile& file, const Sensitivities& found);
// A line a parameter: d ln(result) / d ln(parameter) of the results, R1, R2, ...
report::Table sensitivity_table(const ParameterFile& file, const Sensitivities& found);
// What R1, R2, ... are.
std::string result_list(const ParameterFile& file);
report::Json parameters_json(const ParameterFile& file, const Sensitivities& found);

}  // namespace rdusim::cli
