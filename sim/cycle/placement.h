// Where a section's units and channels are on the mesh, for the cycle fidelity: as the compiler placed and
// routed them (base/program/route.h); a section that was never placed, as hand-written programs are, is laid
// out here, simply: units and channels take PCUs and PMUs in the order of the tiles, row by row, streams all
// AGCU ports, and every part of a token goes along the row first, then along the column.
#pragma once

#include "base/arch/fabric.h"
#include "base/program/program.h"
#include "base/result.h"

namespace rdusim::sim::cycle {

// Fails when units and channels do not fit the mesh.
Result<Section> placed_section(const Section& section, const Fabric& fabric);

}  // namespace rdusim::sim::cycle
