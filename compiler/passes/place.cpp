// place: which tile each PCU and PMU of a section is, and which AGCU ports its streams use. A section is
// drawn in several layouts (placement.h), and the draw stays with which a launch ends first, its ways over
// the mesh included (routed_cost.h). Sections are distinct, so equal layers are placed once.
#include "compiler/passes/pass.h"
#include "compiler/passes/routed_cost.h"

namespace rdusim::compiler {
namespace {

// assumed: more rounds than these gain less than a percent on prompts, and none is drawn where the mesh
// hardly matters.
constexpr int kRounds = 3;

}  // namespace

Status place(Compilation& compilation) {
  const ChipSpec& chip = *compilation.chip;
  compilation.program.mesh = Fabric(chip).shape();
  for (size_t s = 0; s < compilation.program.sections.size(); ++s) {
    Section& section = compilation.program.sections[s];
    RDU_ASSIGN(Mapping best, best_mapping(section, compilation.traffic[s], chip,
                                          {kManyDraws, kRounds, compilation.options.placement_seed}));
    section = std::move(best.section);
  }
  return {};
}

}  // namespace rdusim::compiler
