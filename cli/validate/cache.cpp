// Group cache: misses of eviction policies against libCacheSim, and Belady's bound. Equal where the policy's
// definition is the reference's; else shown.
#include <fmt/format.h>

#include "cli/validate/groups.h"
#include "runtime/eviction/reference.h"

namespace rdusim::cli {

Result<ValidationRows> cache_rows(ValidationContext& context) {
  const std::string folder = context.session.config.config_dir + "/reference/cache";
  RDU_ASSIGN(const auto comparisons, runtime::compare_with_reference(folder));
  RDU_CHECK_OK(context.session.record_file(folder + "/results.csv"));
  ValidationRows rows;
  for (const runtime::ReferenceComparison& c : comparisons) {
    const std::string what =
        fmt::format("{} {} {:.0f} GB", c.trace, c.policy, static_cast<double>(c.capacity.value) * 1e-9);
    rows.push_back({row_id(what), what, "libCacheSim", Published::exactly(static_cast<double>(c.reference)),
                    static_cast<double>(c.ours), "misses",
                    c.must_be_equal ? std::optional<double>(0) : std::nullopt,
                    "rdusim cache reference configs/reference/cache", ""});
  }
  return rows;
}

}  // namespace rdusim::cli
