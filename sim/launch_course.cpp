#include "sim/launch_course.h"

#include <algorithm>
#include <span>

#include "base/program/loop_order.h"

namespace rdusim::sim {

bool same_course(const Program& program, const Launch& a, const Launch& b) {
  if (a.section != b.section || a.iterations != b.iterations || a.prefetch != b.prefetch) return false;
  if (a.prefetch && a.bindings != b.bindings && loop_waits(program, a) != loop_waits(program, b))
    return false;
  for (size_t i = 0; i < a.bindings.size(); ++i) {
    if (a.bindings[i] == b.bindings[i]) continue;
    const Symbol& x = program.symbols[a.bindings[i].value];
    const Symbol& y = program.symbols[b.bindings[i].value];
    if (x.tier != y.tier || x.dtype != y.dtype || x.rows != y.rows || x.cols != y.cols ||
        !(x.shard == y.shard) || x.full_rows != y.full_rows || x.full_cols != y.full_cols) {
      return false;
    }
  }
  return true;
}

namespace {

// The iteration as a launch of its own.
Launch step_of(const Launch& launch, int64_t iteration) {
  const std::span<const SymbolId> row = launch.row(iteration);
  return {launch.section, {row.begin(), row.end()}};
}

}  // namespace

std::vector<Launch> runs_of(const Program& program, const Launch& launch) {
  std::vector<Launch> runs;
  for (int64_t i = 0; i < launch.iterations; ++i) {
    Launch step = step_of(launch, i);
    if (launch.prefetch && !runs.empty() && same_course(program, step_of(runs.back(), 0), step)) {
      Launch& run = runs.back();
      run.bindings.insert(run.bindings.end(), step.bindings.begin(), step.bindings.end());
      ++run.iterations;
    } else {
      runs.push_back(std::move(step));
    }
  }
  for (Launch& run : runs) run.prefetch = run.iterations > 1;
  return runs;
}

std::vector<Launch> distinct_courses(const Program& program) {
  std::vector<Launch> kinds;
  for (const Launch& launch : program.launches) {
    for (Launch& run : runs_of(program, launch)) {
      const bool known = std::any_of(kinds.begin(), kinds.end(),
                                     [&](const Launch& kind) { return same_course(program, kind, run); });
      if (!known) kinds.push_back(std::move(run));
    }
  }
  return kinds;
}

}  // namespace rdusim::sim
