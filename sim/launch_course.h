// Which launches take the same course through a section, in timing runs: same section, same tiers and shapes
// of what they bind, same head start. Such launches are simulated once.
#pragma once

#include <vector>

#include "base/program/program.h"
#include "sim/head_start.h"
#include "sim/launch_timing.h"

namespace rdusim::sim {

// What drains before the next begins: a launch, an iteration of one that loops, or, if it prefetches, as many
// of its iterations as take the same course, at once.
struct LaunchRun {
  Launch launch;
  bool launched = true;  // not a later run of a looping launch, for which the fabric keeps its configuration
  HeadStart head_start{};
};
std::vector<LaunchRun> runs_of(const Program& program, const LaunchTiming& timing);

bool same_course(const Program& program, const LaunchRun& a, const LaunchRun& b);

// The first run of each kind, in order of the schedule.
std::vector<LaunchRun> distinct_courses(const Program& program, const LaunchTiming& timing);

}  // namespace rdusim::sim
