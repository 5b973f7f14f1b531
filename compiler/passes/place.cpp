// place: which tile each PCU and PMU of a section is, and which AGCU ports its streams use. A section is
// drawn in several layouts (placement.h), and the draw stays with which a launch ends first, its ways over
// the mesh included (routed_cost.h). Sections are distinct, so equal layers are placed once.
#include <vector>

#include "compiler/passes/launch_course.h"
#include "compiler/passes/pass.h"
#include "compiler/passes/routed_cost.h"
#include "compiler/passes/spreads.h"

namespace rdusim::compiler {
namespace {

// assumed: more further rounds than these gain less than a percent on prompts, and none is drawn where the
// mesh hardly matters.
constexpr int kFurtherRounds = 2;

}  // namespace

Status place(Compilation& compilation) {
  const Mesh mesh(*compilation.chip);
  Program& program = compilation.program;
  program.mesh = mesh.fabric.shape();
  std::vector<int64_t> cycles;  // of a launch of each section, without its ways
  for (size_t s = 0; s < program.sections.size(); ++s)
    cycles.push_back(launch_cycles(program.sections[s], *compilation.traffic[s].launch, mesh.chip));
  const std::vector<int64_t> spare = spare_cycles(compilation, cycles);
  for (size_t s = 0; s < program.sections.size(); ++s) {
    MappingSearch search(program.sections[s], compilation.traffic[s], mesh,
                         {compilation.options.placement_seed, spare[s]});
    RDU_CHECK_OK(search.route(kManyDraws));
    RDU_CHECK_OK(search.draw_again(kFurtherRounds));
    program.sections[s] = search.take().section;
  }
  return {};
}

}  // namespace rdusim::compiler
