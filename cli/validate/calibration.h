// Fitting the fitted parameters to published points: Gauss-Newton on ln(simulated / published) over the
// logarithms of the parameters, within their bounds. Deterministic: starts at the values in configs/, forward
// differences, no random numbers.
//
// Leave-one-out: what the point would be predicted as, had it not taken part in the fit. Times are sums in
// which each parameter stands linearly, so that one Gauss-Newton step from the optimum is the refit; no
// second fit is run.
#pragma once

#include <string>
#include <vector>

#include "cli/validate/parameters.h"

namespace rdusim::cli {

struct CalibrationPoint {
  std::string id;
  std::string what;
  double published = 0;
  double with_configs = 0;
  double fitted = 0;
  double left_out = 0;         // predicted by a fit without it
  std::vector<double> slopes;  // d ln(point) / d ln(parameter), at the fit
};

struct Calibration {
  std::vector<FreeParameter> parameters;  // the fitted ones
  std::vector<double> configs;
  std::vector<double> fitted;
  std::vector<CalibrationPoint> points;
  int64_t steps = 0;
  // Root mean square of ln(x / published) over the points, as percent.
  double rms_configs_percent = 0;
  double rms_fitted_percent = 0;
  double rms_left_out_percent = 0;
};

// Fails where a point's row does not exist, or where points are fewer than parameters.
Result<Calibration> calibrate(ValidationContext& context, const ParameterFile& file);

}  // namespace rdusim::cli
