#include "sim/critical_path.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "sim/analytic.h"
#include "sim/launch_course.h"
#include "sim/launch_section.h"
#include "sim/resource_rates.h"

namespace rdusim::sim {

namespace {

Result<SectionPath> path_of(const Program& program, const NodeSpec& node, const LaunchRun& run,
                            Fidelity fidelity) {
  if (fidelity == Fidelity::kAnalytic) return analytic_path(program, run, node);
  const LaunchSection repeats(program, run);
  const SectionContext context = repeats.context(node);
  if (auto path = traced_section(context)) return std::move(*path);
  return Error{ErrorCode::kUnsupported, "section " + context.section.name, "it stops before its end",
               "rdusim simulate says why"};
}

int64_t cycles_of(const SectionPath& path) {
  int64_t sum = 0;
  for (const PathPart& part : path.parts) sum += part.cycles;
  return sum;
}

// Of the head start, what the run waits for; its part leaves the path.
int64_t take_launch_part(SectionPath& path) {
  const auto at = std::find_if(path.parts.begin(), path.parts.end(),
                               [](const PathPart& part) { return part.kind == StepKind::kLaunch; });
  if (at == path.parts.end()) return 0;
  const int64_t cycles = at->cycles;
  path.parts.erase(at);
  return cycles;
}

// A run waits for the whole launch, or for what is loaded before the head start, or, as the closed form has
// it, for a mixture: T = loads + path(launch - loads), so it counts `share` of the one and the rest of the
// other. A load is a stream from memory behind a first byte, in cycles of the clock.
void add_launch_parts(const NodeSpec& node, const LaunchTiming& timing, int64_t fresh_loads,
                      SectionPath& path) {
  const auto part = [&](StepKind kind, int64_t cycles, double scaling) {
    if (cycles != 0) path.launch_parts.push_back({kind, "", 0, cycles, scaling, 0, 0});
  };
  const int64_t head_start = path.head_start_cycles;
  if (head_start == 0) return part(StepKind::kLaunch, timing.launch_cycles, timing.launch_scaling_cycles);
  const int64_t waited = take_launch_part(path);
  const double share = static_cast<double>(waited) / static_cast<double>(head_start);
  const int64_t loads = timing.launch_cycles - head_start;
  const int64_t with_launch = std::llround(share * static_cast<double>(loads));
  part(StepKind::kLaunch, waited + with_launch, share * timing.launch_scaling_cycles);
  const double latency =
      (1 - share) * static_cast<double>(fresh_loads) * memory_latency(node.chip, Tier::kHbm);
  const int64_t first_bytes = std::llround(latency);
  part(StepKind::kHbmLatency, first_bytes, latency);
  part(StepKind::kProgramLoad, loads - with_launch - first_bytes, 0);
}

}  // namespace

Result<CriticalPath> critical_path(const Program& program, const NodeSpec& node, const StackSpec& stack,
                                   Fidelity fidelity) {
  if (fidelity == Fidelity::kCycle) {
    return Error{ErrorCode::kUnsupported, "program " + program.name,
                 "the cycle fidelity does not remember why it waits", "take event or analytic"};
  }
  CriticalPath path;
  RunOptions options;
  options.fidelity = fidelity;
  RDU_ASSIGN(path.result, run(program, node, stack, options));
  const LaunchTiming timing = launch_timing(program, node, stack);
  const std::vector<LaunchRun> kinds = distinct_courses(program, timing);
  RDU_CHECK(kinds.size() == path.result.sections.size(), "{} kinds of launch, {} in the result", kinds.size(),
            path.result.sections.size());
  for (size_t k = 0; k < kinds.size(); ++k) {
    const SectionResult& result = path.result.sections[k];
    RDU_ASSIGN(SectionPath section, path_of(program, node, kinds[k], fidelity));
    section.launches = result.launches;
    section.runs = result.runs;
    section.head_start_cycles = result.head_start_cycles;
    RDU_CHECK(section.cycles_per_run == result.cycles_per_launch &&
                  cycles_of(section) == section.cycles_per_run + section.head_start_cycles,
              "section {}: path of {} cycles, run of {} and {} ahead of it", section.section,
              cycles_of(section), result.cycles_per_launch, section.head_start_cycles);
    const bool fresh = result.head_start_cycles == timing.head_start(true);
    add_launch_parts(node, timing, fresh ? 2 : 1, section);
    path.sections.push_back(std::move(section));
  }
  return path;
}

}  // namespace rdusim::sim
