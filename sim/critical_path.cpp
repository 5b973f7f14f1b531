#include "sim/critical_path.h"

#include <fmt/format.h>

#include "base/check.h"
#include "base/program/service.h"
#include "sim/analytic.h"
#include "sim/launch_course.h"
#include "sim/launch_section.h"

namespace rdusim::sim {

namespace {

Result<SectionPath> path_of(const Program& program, const NodeSpec& node, const Launch& launch,
                            Fidelity fidelity) {
  const Section& section = program.sections[launch.section.value];
  if (fidelity == Fidelity::kAnalytic) return analytic_path(program, section, launch, node);
  const LaunchSection repeats(program, launch);
  const SectionContext context = repeats.context(node);
  if (auto path = traced_section(context)) return std::move(*path);
  return Error{ErrorCode::kUnsupported, "section " + section.name, "it stops before its end",
               "rdusim simulate says why"};
}

int64_t cycles_of(const SectionPath& path) {
  int64_t sum = 0;
  for (const PathPart& part : path.parts) sum += part.cycles;
  return sum;
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
  const double launch_s =
      program.orchestration == Orchestration::kSoftware ? stack.software_launch_s : stack.hardware_launch_s;
  path.launch_scaling_cycles = launch_s * node.chip.clock_hz;
  path.launch_cycles = cycles_of_seconds(launch_s, node.chip.clock_hz);
  const std::vector<Launch> kinds = distinct_courses(program);
  RDU_CHECK(kinds.size() == path.result.sections.size(), "{} kinds of launch, {} in the result", kinds.size(),
            path.result.sections.size());
  for (size_t k = 0; k < kinds.size(); ++k) {
    const SectionResult& result = path.result.sections[k];
    RDU_ASSIGN(SectionPath section, path_of(program, node, kinds[k], fidelity));
    section.launches = result.launches;
    section.runs = result.runs;
    RDU_CHECK(
        section.cycles_per_run == result.cycles_per_launch && cycles_of(section) == section.cycles_per_run,
        "section {}: path of {} cycles, run of {}", section.section, cycles_of(section),
        result.cycles_per_launch);
    path.sections.push_back(std::move(section));
  }
  return path;
}

}  // namespace rdusim::sim
