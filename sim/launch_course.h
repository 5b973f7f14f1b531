// Which launches take the same course through a section, in timing runs: same section, same tiers and shapes
// of what they bind. Such launches are simulated once.
#pragma once

#include <vector>

#include "base/program/program.h"

namespace rdusim::sim {

bool same_course(const Program& program, const Launch& a, const Launch& b);

// One run of a looping launch, as a launch of its own.
Launch step_of(const Launch& launch, int64_t iteration);

// The first run of each kind, in order of the schedule.
std::vector<Launch> distinct_courses(const Program& program);

}  // namespace rdusim::sim
