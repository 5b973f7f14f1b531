// PMUs and links of a section: every buffer and channel gets the storage it must have and, as far as PMUs are
// left, the width that its rate asks for, operands (operand_widths.h) before streams; streams from memory
// then share what is left, so that they run ahead of the stage that uses them. A token small enough for a
// PCU's input FIFO takes no PMU.
#pragma once

#include <cstdint>

#include "base/arch/chip.h"
#include "base/program/program.h"
#include "base/result.h"
#include "compiler/passes/section_work.h"

namespace rdusim::compiler {

// How operands are spread, in thousandths of what their stages' pace leaves for reading them: at first, and
// with the PMUs that nothing else wants; 0: those stay unused. And in how many thousandths of a launch a
// stage has tokens to work on: all where stages work at once, few where they follow one another.
struct PmuSpread {
  int64_t first_permille = 1000;
  int64_t last_permille = 0;
  int64_t turn_permille = 1000;
};

// `slowest_cycles`: until the slowest stage is done, as far as its work goes. Returns the same with reading
// its operands. Fails with kCapacity.
Result<int64_t> allocate_pmus(Section& section, const SectionWork& work, const ChipSpec& chip,
                              int64_t slowest_cycles, const PmuSpread& spread);

}  // namespace rdusim::compiler
