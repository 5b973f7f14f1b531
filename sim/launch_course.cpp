#include "sim/launch_course.h"

#include <algorithm>

namespace rdusim::sim {

bool same_course(const Program& program, const Launch& a, const Launch& b) {
  if (a.section != b.section) return false;
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

Launch step_of(const Launch& launch, int64_t iteration) {
  const std::span<const SymbolId> row = launch.row(iteration);
  return {launch.section, {row.begin(), row.end()}, 1};
}

std::vector<Launch> distinct_courses(const Program& program) {
  std::vector<Launch> kinds;
  for (const Launch& launch : program.launches) {
    for (int64_t i = 0; i < launch.iterations; ++i) {
      const Launch step = step_of(launch, i);
      const bool known = std::any_of(kinds.begin(), kinds.end(),
                                     [&](const Launch& kind) { return same_course(program, kind, step); });
      if (!known) kinds.push_back(step);
    }
  }
  return kinds;
}

}  // namespace rdusim::sim
