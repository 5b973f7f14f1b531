#include "sim/launch_timing.h"

#include <algorithm>

#include "base/program/service.h"
#include "sim/agcu/launch.h"

namespace rdusim::sim {

LaunchTiming launch_timing(const Program& program, const NodeSpec& node, const StackSpec& stack) {
  const double launch_s =
      program.orchestration == Orchestration::kSoftware ? stack.software_launch_s : stack.hardware_launch_s;
  LaunchTiming timing;
  timing.launch_scaling_cycles = launch_s * node.chip.clock_hz;
  timing.launch_cycles = cycles_of_seconds(launch_s, node.chip.clock_hz);
  const bool prefetches = std::any_of(program.launches.begin(), program.launches.end(),
                                      [](const Launch& launch) { return launch.prefetch; });
  if (!prefetches) return timing;
  const agcu::LaunchTime hardware = agcu::launch_time(agcu::launch_spec(node));
  timing.program_load_cycles = hardware.program_load_cycles;
  timing.argument_load_cycles = hardware.argument_load_cycles;
  return timing;
}

}  // namespace rdusim::sim
