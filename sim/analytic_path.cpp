// The critical path of the closed form: its costs are variables, and their part in the section's end is the
// gradient.
#include <cmath>

#include "sim/analytic.h"
#include "sim/analytic_section.h"

namespace rdusim::sim {

// What each cost contributes to the section's end; what is left over is rounding.
Result<SectionPath> analytic_path(const Program& program, const LaunchRun& run, const NodeSpec& node) {
  const Section& section = program.sections[run.launch.section.value];
  AnalyticSection<Dual> model(program, run, node);
  RDU_ASSIGN(SectionOutcome outcome, model.solve());
  // Where rounds of a loop do not settle, the last bit of a number decides where they stop.
  if (run.launch.prefetch) {
    RDU_ASSIGN(outcome, analytic_section(program, run, node));
  }
  SectionPath path;
  path.section = section.name;
  path.cycles_per_run = outcome.cycles;
  const int64_t head_start = run.head_start.cycles;
  int64_t left = outcome.cycles + head_start;
  std::vector<double> gradient = model.finish().gradient;
  gradient.resize(model.costs().size());
  for (size_t i = 0; i < gradient.size(); ++i) {
    const auto& cost = model.costs()[i];
    // Of the head start, what a longer one would not have spared.
    if (cost.kind == StepKind::kLaunch) gradient[i] += static_cast<double>(head_start);
    if (gradient[i] == 0) continue;
    const int64_t cycles = std::llround(gradient[i]);
    path.parts.push_back({cost.kind, section.units[cost.unit].name, 0, cycles, gradient[i], 0, 0});
    left -= cycles;
  }
  if (left != 0) path.parts.push_back({StepKind::kTurn, "", 0, left, 0, 0, 0});
  return path;
}

}  // namespace rdusim::sim
