// The free parameters of the model: what no publication fixes (configs/parameters.yaml says of each how it
// was set), their values in configs/, and how much results hang on them.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/io/fields.h"
#include "cli/validate/row.h"

namespace rdusim::cli {

struct FreeParameter {
  std::string name;
  std::string file;  // below configs/
  std::string key;   // in that file: members by name, elements of a list by their `name`
  std::string set;   // the path that --set takes
  std::string unit;
  std::string meaning;
  std::string how;       // fitted, derived, assumed
  std::string why;       // from what
  double factor = 1.01;  // by which it is changed to see what hangs on it: whole numbers need a whole one
  double low = 0;        // bounds of a fit
  double high = 0;
};

struct ParameterFile {
  std::vector<FreeParameter> parameters;
  std::vector<std::string> calibration_points;  // rows by the beginning of their ids
  std::vector<std::string> results;             // rows of the sensitivity table
};
const Fields<ParameterFile>& parameter_file_fields();

// configs/parameters.yaml, or `path`.
Result<ParameterFile> load_parameters(Session& session, const std::string& path = "");
// What stands in configs/ now, with --set of this call.
Result<double> config_value(Session& session, const FreeParameter& parameter);

// One parameter at another value; several make a trial.
struct Change {
  const FreeParameter* parameter = nullptr;
  double value = 0;
};
// Rows of `groups` by id, with the changes on top of the session's own overrides.
Result<std::map<std::string, ValidationRow>> rows_with(ValidationContext& context,
                                                       const std::vector<std::string>& groups,
                                                       const std::vector<Change>& changes);
// "coe-table-5" of "coe-table-5/overall...", each once.
std::vector<std::string> groups_of(const std::vector<std::string>& row_ids);

// d ln(result) / d ln(parameter), by one step of `factor`; NaN for a parameter that is 0.
struct Sensitivities {
  std::vector<double> values;               // of the parameters
  std::vector<std::vector<double>> slopes;  // [parameter][result]
};
Result<Sensitivities> sensitivities(ValidationContext& context, const ParameterFile& file);

}  // namespace rdusim::cli
