// Validation: published results beside ours, one row each. A row says where the published number comes from,
// what we get, how far off it is, how far off it may be, and the command that gives our number.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "cli/progress.h"
#include "cli/session.h"

namespace rdusim::cli {

struct ValidationRow {
  std::string id;
  std::string group;
  std::string source;
  double published = 0;
  double simulated = 0;
  std::string unit;
  double tolerance_percent = 0;  // 0: shown, not judged
  std::string command;
  double published_high = 0;  // of a range, above its low end `published`; infinite: no upper end
  std::string not_judged_because{};

  // From the published number, or from the nearer end of its range; 0 inside.
  [[nodiscard]] double error_percent() const {
    if (published_high > published && simulated > published)
      return simulated > published_high ? (simulated / published_high - 1) * 100 : 0;
    return (simulated / published - 1) * 100;
  }
  [[nodiscard]] bool is_range() const { return published_high > published; }
  [[nodiscard]] bool judged() const { return tolerance_percent > 0; }
  [[nodiscard]] bool passed() const {
    const double error = error_percent();
    return !judged() || (error <= tolerance_percent && error >= -tolerance_percent);
  }
};

// Latency of one request on an idle node: the model is copied from DDR to HBM, then prefill, then decode.
struct PointResult {
  std::string model;
  int64_t tokens = 0;  // of the prompt, and as many of the answer
  int64_t batch = 1;
  double published_s = 0;
  double simulated_s = 0;
  std::string failure;  // why there is no simulated time; empty: there is one
  [[nodiscard]] double error_percent() const { return (simulated_s / published_s - 1) * 100; }
};

// Points of a CSV file: columns sockets, model, input_and_output_tokens, batch, latency_s (others are
// ignored). Points of a model that is not modelled carry the reason. `stack`: name of a software stack;
// empty: the node's default.
Result<std::vector<PointResult>> single_model_points(Session& session, const std::string& csv_path,
                                                     const std::string& stack, Progress& progress);
// exp(mean |ln(simulated / published)|) - 1 in percent, over points that have a simulated time.
double geometric_mean_error_percent(const std::vector<PointResult>& points);

Result<std::vector<ValidationRow>> chip_rows(Session& session);
Result<std::vector<ValidationRow>> table5_rows(Session& session, Progress& progress);
Result<std::vector<ValidationRow>> fusion_rows(Session& session, Progress& progress);
Result<std::vector<ValidationRow>> capacity_rows(Session& session, Progress& progress);
std::vector<ValidationRow> single_model_rows(const std::vector<PointResult>& points,
                                             const std::string& csv_path);

}  // namespace rdusim::cli
