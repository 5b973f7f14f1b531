// From the stamp of a section's last event back to its begin: the chain of steps, put together by kind and
// place.
#include <algorithm>
#include <map>

#include "base/check.h"
#include "sim/critical_path.h"
#include "sim/stamp_engine.h"

namespace rdusim::sim {

namespace {

// The unit that a step belongs to: of RDN steps the one that gives the channel's tokens.
std::string unit_of(const Section& section, const Step& step, const std::vector<size_t>& producers) {
  const bool rdn = step.kind == StepKind::kRdnTransfer || step.kind == StepKind::kRdnLatency;
  if (step.kind == StepKind::kTurn || step.kind == StepKind::kLaunch) return "";
  return section.units[rdn ? producers[step.place] : step.place].name;
}

std::vector<size_t> producers_of(const Section& section) {
  std::vector<size_t> producers(section.channels.size());
  for (size_t u = 0; u < section.units.size(); ++u) {
    for (const OutputPort& port : section.units[u].outputs) {
      for (const ChannelId c : port.channels) producers[c.value] = u;
    }
  }
  return producers;
}

}  // namespace

std::optional<SectionPath> traced_section(const SectionContext& context) {
  StampEngine<TracedStamp> engine(context, false);
  if (!engine.run()) return std::nullopt;
  const TracedStamp end = engine.end();
  const std::vector<size_t> producers = producers_of(context.section);
  SectionPath path;
  path.section = context.section.name;
  const int64_t launched = context.head_start.cycles;
  path.cycles_per_run = end.cycle - launched;
  std::map<std::pair<StepKind, std::string>, size_t> known;
  for (const PathNode* node = end.path.node(); node != nullptr; node = node->before) {
    const std::string unit = unit_of(context.section, node->step, producers);
    const auto [at, added] = known.try_emplace({node->step.kind, unit}, path.parts.size());
    if (added) {
      path.parts.push_back({node->step.kind, unit, 0, 0, 0, 0, node->end_cycle - launched});
    }
    PathPart& part = path.parts[at->second];
    ++part.steps;
    part.cycles += node->cycles;
    part.scaling_cycles += node->step.scaling_cycles;
    part.first_cycle = node->end_cycle - node->cycles - launched;
  }
  // They were found from the end back.
  std::reverse(path.parts.begin(), path.parts.end());
  return path;
}

}  // namespace rdusim::sim
