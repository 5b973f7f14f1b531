// PCUs of a section's compute stages. What a stage has to do in a launch is known from SectionWork; a stage's
// time falls with its PCUs, so the smallest time within which all PCUs suffice is found by bisection.
#pragma once

#include <cstdint>

#include "base/arch/chip.h"
#include "base/program/program.h"
#include "base/result.h"
#include "compiler/passes/section_work.h"
#include "compiler/passes/stage_memo.h"

namespace rdusim::compiler {

// Gives every compute stage its PCUs. power 0: all stages take the same time, so the slowest is as fast as it
// can be, and a stage whose firings grow may end somewhat later than the others (the best of five such
// margins). Above 0: times are proportional to this power of the stages' work; with one half their sum is
// least, which is what counts where blocks of rows follow one another alone.
// Returns when the slowest stage is done, in cycles of a launch; 0 without compute stages. kCapacity: more
// stages than PCUs.
// `memo` keeps what stages cost.
Result<int64_t> allocate_pcus(Section& section, const SectionWork& work, const ChipSpec& chip, double power,
                              StageMemo& memo);

}  // namespace rdusim::compiler
