// Which launches take the same course through a section, in timing runs: same section, same tiers and shapes
// of what they bind. Such launches are simulated once.
#pragma once

#include <vector>

#include "base/program/program.h"

namespace rdusim::sim {

bool same_course(const Program& program, const Launch& a, const Launch& b);

// What a launch runs, one after the other, each a launch of its own that drains before the next: its
// iterations one by one, or, if it prefetches, as many as take the same course at once.
std::vector<Launch> runs_of(const Program& program, const Launch& launch);

// The first run of each kind, in order of the schedule.
std::vector<Launch> distinct_courses(const Program& program);

}  // namespace rdusim::sim
