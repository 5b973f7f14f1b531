// Our miss counts beside those of a reference simulator: results.csv (trace, policy, cache_bytes, misses;
// other columns are skipped) and traces/<trace>.csv or .csv.gz in one folder.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "base/units.h"

namespace rdusim::runtime {

struct ReferenceComparison {
  std::string trace;
  std::string policy;  // our name
  Bytes capacity;
  int64_t reference = 0;  // misses
  int64_t ours = 0;
  bool must_be_equal = false;  // same definition; else only compared

  [[nodiscard]] bool holds() const { return !must_be_equal || ours == reference; }
};

// Policies of the results that we do not have are left out.
Result<std::vector<ReferenceComparison>> compare_with_reference(const std::string& folder);

}  // namespace rdusim::runtime
