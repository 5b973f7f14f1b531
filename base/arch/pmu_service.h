// Service table of a PMU: what its read port achieves when rows narrower than a line are gathered.
//
// Other accesses have closed forms that equal the cycle-level PMU (base/program/pmu_access.h); gathered rows
// below a line share vectors, as many as the address pipelines reach, and meet in the scratchpad's columns by
// chance. `rdusim characterize` runs the cycle-level PMU (sim/pmu/) over the widths of a row and writes the
// table; event, analytic and cycle read it. The rows lie in one bank, where they meet most (APPROX: a matrix
// over several banks is up to a third faster). Keyed by a hash of what it was made from, refused when that
// has changed.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace rdusim {

struct PmuService {
  std::string name;
  std::string inputs_sha256;       // pmu_service_hash() of the PMU and this grid
  std::vector<int64_t> row_bytes;  // axis, rising: of a gathered row
  int64_t gathered_rows = 0;       // of one run
  std::vector<double> efficiency;  // of a port's bytes a cycle, by row_bytes

  // For rows of any width; linear in the logarithm of the width, held at the ends.
  [[nodiscard]] double gather_efficiency(int64_t width_bytes) const;
};

}  // namespace rdusim
