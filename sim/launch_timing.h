// What a launch of a program takes on a node, and how much of it is left once program and arguments are
// loaded. The whole is a number of the software stack; its first part is the hardware's (agcu/launch.h).
//
//   | program load, if another section ran before | argument load | host, start, sockets wait |
//   |<------------------------ launch_cycles ------------------------------------------------>|
#pragma once

#include <cstdint>

#include "base/arch/chip.h"
#include "base/program/program.h"

namespace rdusim::sim {

struct LaunchTiming {
  int64_t launch_cycles = 0;
  double launch_scaling_cycles = 0;  // before rounding
  // Of these; 0 where no launch of the program prefetches.
  int64_t program_load_cycles = 0;
  int64_t argument_load_cycles = 0;

  // Before the streams of a launch may run ahead. `fresh`: the section is not the one that ran before.
  [[nodiscard]] int64_t load_cycles(bool fresh) const {
    return argument_load_cycles + (fresh ? program_load_cycles : 0);
  }
  // What is left for them; 0: a launch that is shorter than its loads leaves nothing.
  [[nodiscard]] int64_t head_start(bool fresh) const {
    const int64_t left = launch_cycles - load_cycles(fresh);
    return left > 0 ? left : 0;
  }
};
LaunchTiming launch_timing(const Program& program, const NodeSpec& node, const StackSpec& stack);

}  // namespace rdusim::sim
