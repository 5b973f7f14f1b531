// Closed form of one run of a section: when each unit gives its first and last token, O(units) per sweep.
#pragma once

#include "base/arch/chip.h"
#include "base/program/critical_path.h"
#include "base/program/program.h"
#include "base/result.h"
#include "sim/launch_course.h"
#include "sim/section_outcome.h"

namespace rdusim::sim {

// Outcome of socket 0, in the form the event engine reports. Bytes are exact where token shapes are uniform.
// Blocked cycles are not told from starved ones.
Result<SectionOutcome> analytic_section(const Program& program, const LaunchRun& run, const NodeSpec& node);
// The same run, differentiated: what each cost contributes to its cycles. A part may be negative where
// slack hides some of it. With a head start the parts add up to its cycles and the run's, and that of kind
// kLaunch is what of the head start the run waits for.
Result<SectionPath> analytic_path(const Program& program, const LaunchRun& run, const NodeSpec& node);

}  // namespace rdusim::sim
