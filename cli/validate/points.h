// Measured points of single-model serving (LLM-Inference-Bench's form) beside ours: one request, or one batch
// of them, on an idle node.
#pragma once

#include <string>
#include <vector>

#include "cli/validate/row.h"

namespace rdusim::cli {

// Latency of one request on an idle node: the model is copied from DDR to HBM, then prefill, then decode.
struct PointResult {
  int64_t line = 0;  // of the file
  std::string model;
  int64_t sockets = 0;
  int64_t tokens = 0;  // of the prompt, and as many of the answer
  int64_t batch = 0;
  double published_s = 0;
  double simulated_s = 0;
  std::string note;         // what was taken otherwise than the row says
  std::string failure;      // why there is no simulated time; empty: there is one
  bool unreadable = false;  // the failure is the file's
  [[nodiscard]] double error_percent() const { return (simulated_s / published_s - 1) * 100; }
};

// Points of a CSV file: columns model, input_and_output_tokens, batch, latency_s and, where they stand,
// sockets (else 8) and total_tokens_per_s (in place of a missing or empty latency_s: batch x tokens in and
// out / rate), in any order; others are ignored. A row that cannot be read, or a model that cannot run,
// carries the reason; the others keep their times. Heads that do not divide over the row's sockets run on the
// half, quarter, ... that they divide over, and the row says so.
Result<std::vector<PointResult>> single_model_points(ValidationContext& context, const std::string& csv_path);
// exp(mean |ln(simulated / published)|) - 1 in percent, over points that have a simulated time.
double geometric_mean_error_percent(const std::vector<PointResult>& points);

}  // namespace rdusim::cli
