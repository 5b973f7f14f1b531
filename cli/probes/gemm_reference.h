// Results of an outside systolic-array simulator, as a CSV: which product on which array took how many
// cycles.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "cli/session.h"
#include "sim/pcu/systolic.h"

namespace rdusim::cli {

// Both sides count the same wavefronts, so only what a fold is may differ; 2 % is what the comparison allows.
inline constexpr double kGemmTolerancePercent = 2;

struct GemmReferenceRow {
  std::string simulator;  // name and version
  std::string dataflow;   // "os", "ws", "is"
  int64_t rows = 0;
  int64_t columns = 0;
  sim::GemmShape shape;
  int64_t compute_cycles = 0;  // without off-chip stalls

  // Folds one after the other, as the reference has them.
  [[nodiscard]] sim::SystolicArray array() const;
};

// "os" unless the name is another's.
sim::Dataflow dataflow_of(const std::string& name);

// Rows whose bandwidth_mode is CALC (off-chip bandwidth without limit), in the file's order. Columns:
// simulator, version, bandwidth_mode, dataflow, array_rows, array_cols, M, K, N, compute_cycles. Fails on a
// file without such a row.
Result<std::vector<GemmReferenceRow>> read_gemm_reference(Session& session, const std::string& path);

}  // namespace rdusim::cli
