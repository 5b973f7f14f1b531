// The critical path of the closed form: its costs are variables, and their part in the section's end is the
// gradient.
#include <cmath>

#include "sim/analytic.h"
#include "sim/analytic_section.h"

namespace rdusim::sim {

// What each cost contributes to the section's end; what is left over is rounding.
Result<SectionPath> analytic_path(const Program& program, const Section& section, const Launch& launch,
                                  const NodeSpec& node) {
  AnalyticSection<Dual> model(program, section, launch, node);
  RDU_ASSIGN(SectionOutcome outcome, model.solve());
  // Where rounds of a loop do not settle, the last bit of a number decides where they stop.
  if (launch.prefetch) {
    RDU_ASSIGN(outcome, analytic_section(program, section, launch, node));
  }
  SectionPath path;
  path.section = section.name;
  path.cycles_per_run = outcome.cycles;
  int64_t left = outcome.cycles;
  const std::vector<double>& gradient = model.finish().gradient;
  for (size_t i = 0; i < gradient.size(); ++i) {
    if (gradient[i] == 0) continue;
    const auto& cost = model.costs()[i];
    const int64_t cycles = std::llround(gradient[i]);
    path.parts.push_back({cost.kind, section.units[cost.unit].name, 0, cycles, gradient[i], 0, 0});
    left -= cycles;
  }
  if (left != 0) path.parts.push_back({StepKind::kTurn, "", 0, left, 0, 0, 0});
  return path;
}

}  // namespace rdusim::sim
