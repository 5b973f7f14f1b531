// The critical path of a run: the run once more with stamps that remember their history (sim/stamp.h), or
// with numbers that carry their gradient (sim/dual.h). Usual runs know nothing of either.
#pragma once

#include "base/program/critical_path.h"
#include "sim/section_context.h"
#include "sim/simulator.h"

namespace rdusim::sim {

// The path of the run that run() makes with these inputs and fidelity; its cycles are equal to run()'s. Fails
// as run() does, and with kUnsupported on the cycle fidelity.
Result<CriticalPath> critical_path(const Program& program, const NodeSpec& node, const StackSpec& stack,
                                   Fidelity fidelity);

// Of one run of a section: its parts. Nothing: the stamp engine cannot finish it.
std::optional<SectionPath> traced_section(const SectionContext& context);

}  // namespace rdusim::sim
