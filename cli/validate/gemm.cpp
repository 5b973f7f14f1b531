// Group gemm: matrix products on systolic arrays against SCALE-Sim, folds one after the other as it has them.
#include <fmt/format.h>

#include "cli/probes/gemm_reference.h"
#include "cli/validate/groups.h"
#include "sim/pcu/systolic.h"

namespace rdusim::cli {

Result<ValidationRows> gemm_rows(ValidationContext& context) {
  RDU_ASSIGN(const auto reference, read_gemm_reference(context.session, context.session.config.config_dir +
                                                                            "/published/systolic_gemm.csv"));
  ValidationRows rows;
  for (const GemmReferenceRow& row : reference) {
    const std::string what = fmt::format("{} x {} {}: {} x {} x {}, {}", row.rows, row.columns, row.dataflow,
                                         row.shape.m, row.shape.k, row.shape.n, row.simulator);
    const auto ours = sim::systolic_gemm(row.array(), row.shape).cycles;
    rows.push_back({row_id(what), what, row.simulator,
                    Published::exactly(static_cast<double>(row.compute_cycles)), static_cast<double>(ours),
                    "cycles", kGemmTolerancePercent, "rdusim probe gemm --reference", ""});
  }
  return rows;
}

}  // namespace rdusim::cli
