// A section launch at cycle fidelity. What it takes does not depend on the order in which the section's
// units, channels, routes and tiles are listed (canonical_section.h).
#pragma once

#include <cstdint>
#include <vector>

#include "base/result.h"
#include "sim/section_context.h"
#include "sim/section_outcome.h"
#include "sim/simulator.h"

namespace rdusim::sim::cycle {

struct CycleRun {
  SectionOutcome outcome;               // units in the order of the context's section
  std::vector<int64_t> iteration_ends;  // cycle at which each iteration's last unit was done
};

// `memories` [HBM, DDR]: null where no stream goes there. Fails on a deadlock, on a section that does not fit
// the mesh, and where a memory that is used has no device.
Result<CycleRun> run_section(const SectionContext& context, const MemoryDevices& memories);

}  // namespace rdusim::sim::cycle
