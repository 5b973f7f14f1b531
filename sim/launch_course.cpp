#include "sim/launch_course.h"

#include <algorithm>
#include <span>

#include "base/program/loop_order.h"
#include "base/program/run_ahead.h"

namespace rdusim::sim {

namespace {

bool same_shapes(const Program& program, const Launch& a, const Launch& b) {
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

// The iteration as a launch of its own.
Launch step_of(const Launch& launch, int64_t iteration) {
  const std::span<const SymbolId> row = launch.row(iteration);
  return {launch.section, {row.begin(), row.end()}};
}

void add_runs(const Program& program, const Launch& launch, HeadStart head_start,
              std::vector<LaunchRun>& runs) {
  const size_t first = runs.size();
  for (int64_t i = 0; i < launch.iterations; ++i) {
    Launch step = step_of(launch, i);
    if (launch.prefetch && runs.size() > first &&
        same_shapes(program, step_of(runs.back().launch, 0), step)) {
      Launch& run = runs.back().launch;
      run.bindings.insert(run.bindings.end(), step.bindings.begin(), step.bindings.end());
      ++run.iterations;
    } else {
      runs.push_back({std::move(step), i == 0});
    }
  }
  for (size_t r = first; r < runs.size(); ++r) runs[r].launch.prefetch = runs[r].launch.iterations > 1;
  runs[first].head_start = std::move(head_start);
}

}  // namespace

bool same_course(const Program& program, const LaunchRun& a, const LaunchRun& b) {
  return a.head_start == b.head_start && same_shapes(program, a.launch, b.launch);
}

std::vector<LaunchRun> runs_of(const Program& program, const LaunchTiming& timing) {
  std::vector<std::vector<bool>> ahead = units_ahead(program);
  std::vector<LaunchRun> runs;
  for (size_t i = 0; i < program.launches.size(); ++i) {
    const Launch& launch = program.launches[i];
    const bool fresh = i == 0 || program.launches[i - 1].section != launch.section;
    HeadStart head_start;
    const int64_t cycles = timing.head_start(fresh);
    const bool any = std::find(ahead[i].begin(), ahead[i].end(), true) != ahead[i].end();
    if (any && cycles > 0) head_start = {cycles, std::move(ahead[i])};
    add_runs(program, launch, std::move(head_start), runs);
  }
  return runs;
}

std::vector<LaunchRun> distinct_courses(const Program& program, const LaunchTiming& timing) {
  std::vector<LaunchRun> kinds;
  for (LaunchRun& run : runs_of(program, timing)) {
    const bool known = std::any_of(kinds.begin(), kinds.end(),
                                   [&](const LaunchRun& kind) { return same_course(program, kind, run); });
    if (!known) kinds.push_back(std::move(run));
  }
  return kinds;
}

}  // namespace rdusim::sim
