// Measured points of single-model serving (LLM-Inference-Bench's form) beside ours: one request, or one batch
// of them, on an idle node.
#pragma once

#include <string>
#include <vector>

#include "cli/validate/row.h"

namespace rdusim::cli {

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
// ignored). Points of a model that is not modelled carry the reason.
Result<std::vector<PointResult>> single_model_points(ValidationContext& context, const std::string& csv_path);
// exp(mean |ln(simulated / published)|) - 1 in percent, over points that have a simulated time.
double geometric_mean_error_percent(const std::vector<PointResult>& points);

}  // namespace rdusim::cli
