// Group dram: our DRAM model against Ramulator 2.1 and DRAMsim3, a row a pattern and device: bandwidth, and
// the latency of an idle device. Tolerances: as rdusim probe memory --reference has them.
#include <fmt/format.h>

#include "cli/probes/memory_probe.h"
#include "cli/validate/groups.h"

namespace rdusim::cli {

Result<ValidationRows> dram_rows(ValidationContext& context) {
  const std::string path = context.session.config.config_dir + "/published/dram_streams.csv";
  context.progress.note("DRAM streams");
  RDU_ASSIGN(const auto comparisons, dram_comparisons(context.session, path));
  ValidationRows rows;
  for (const DramComparison& c : comparisons) {
    if (!c.skipped.empty()) {
      return Error{ErrorCode::kInvalidInput, path, c.device + " " + c.pattern + ": " + c.skipped, ""};
    }
    const std::string what = fmt::format("{} {}, {}, {}", c.device, c.pattern, c.refresh, c.simulator);
    const std::string command = "rdusim probe memory --reference";
    rows.push_back({row_id(what), what, c.simulator, Published::exactly(c.theirs_bytes_per_s),
                    c.ours_bytes_per_s, "B/s", c.allowed_percent, command, ""});
    if (!c.judge_latency) continue;
    rows.push_back({row_id(what) + "-latency", what + ", latency", c.simulator,
                    Published::exactly(c.theirs_latency_ns), c.ours_latency_ns, "ns",
                    kIdleLatencyTolerancePercent, command, ""});
  }
  return rows;
}

}  // namespace rdusim::cli
