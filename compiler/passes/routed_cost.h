// What a section takes a launch once its units have their places and ways: the judge between allocations that
// differ in how they spread over the mesh.
#pragma once

#include <cstdint>

#include "base/arch/chip.h"
#include "base/program/program.h"
#include "base/result.h"
#include "compiler/passes/traffic.h"

namespace rdusim::compiler {

// Places and routes a copy of the section. Cycles of a launch, the longest of: its stages and streams; the
// fullest link; the slowest reader of operands (base/program/operand_reads.h); and the memory's streams, one
// after the other, each as fast as the stage that it feeds reads beside it.
Result<int64_t> routed_cycles(const Section& section, const SectionTraffic& traffic, const ChipSpec& chip);

}  // namespace rdusim::compiler
