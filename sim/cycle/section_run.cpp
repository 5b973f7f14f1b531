#include "sim/cycle/section_run.h"

#include <algorithm>
#include <utility>

#include "sim/cycle/canonical_section.h"
#include "sim/cycle/engine.h"

namespace rdusim::sim::cycle {

namespace {

// By unit of the canonical section, what `listed` says by unit as listed.
std::vector<std::vector<size_t>> canonical_order(const std::vector<std::vector<size_t>>& listed,
                                                 const std::vector<size_t>& unit_places) {
  std::vector<std::vector<size_t>> order(listed.size());
  for (size_t u = 0; u < listed.size(); ++u) {
    std::vector<size_t>& first = order[unit_places[u]];
    for (const size_t f : listed[u]) first.push_back(unit_places[f]);
    std::sort(first.begin(), first.end());
  }
  return order;
}

HeadStart canonical_head_start(const HeadStart& listed, const std::vector<size_t>& unit_places) {
  HeadStart head_start{listed.cycles, std::vector<bool>(listed.ahead.size(), false)};
  for (size_t u = 0; u < listed.ahead.size(); ++u) head_start.ahead[unit_places[u]] = listed.ahead[u];
  return head_start;
}

}  // namespace

Result<CycleRun> run_section(const SectionContext& context, const MemoryDevices& memories) {
  RDU_ASSIGN(const CanonicalSection canonical, canonical_section(context.section));
  SectionContext own{context.program, canonical.section, context.launch, context.node};
  own.iterations = context.iterations;
  own.loop_order = canonical_order(context.loop_order, canonical.unit_places);
  own.head_start = canonical_head_start(context.head_start, canonical.unit_places);
  Engine engine(own, memories);
  RDU_ASSIGN(SectionOutcome outcome, engine.run());
  for (std::vector<UnitCounters>& socket : outcome.counters) {
    std::vector<UnitCounters> listed;
    listed.reserve(socket.size());
    for (const size_t place : canonical.unit_places) listed.push_back(socket[place]);
    socket = std::move(listed);
  }
  return CycleRun{std::move(outcome), engine.iteration_ends()};
}

}  // namespace rdusim::sim::cycle
