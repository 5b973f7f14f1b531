// allocate: PCUs to stages (pcu_allocation.h), PMUs to channels and buffers (allocate_pmus.h), in the way
// with which a launch is done first (spreads.h).
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "compiler/passes/pass.h"
#include "compiler/passes/section_router.h"
#include "compiler/passes/section_work.h"
#include "compiler/passes/spreads.h"
#include "compiler/passes/stage_memo.h"

namespace rdusim::compiler {

Status allocate(Compilation& compilation) {
  const ChipSpec& chip = *compilation.chip;
  if (!compilation.stages) compilation.stages = std::make_shared<StageMemo>();
  std::vector<SpreadSearch> searches;
  std::vector<int64_t> cycles;  // of a launch of each section, without ways
  for (const Section& section : compilation.program.sections) {
    SectionWork work(section);
    RDU_CHECK_OK(work.run());
    searches.emplace_back(section, std::move(work), chip, *compilation.stages);
    RDU_CHECK_OK(searches.back().size(compilation.options.sizing, compilation.effort));
    cycles.push_back(searches.back().cycles_without_ways());
  }
  const std::vector<int64_t> spare = spare_cycles(compilation, cycles);
  std::optional<Mesh> mesh;
  if (compilation.effort == Effort::kProgram) mesh.emplace(chip);
  for (size_t s = 0; s < searches.size(); ++s) {
    if (mesh) RDU_CHECK_OK(searches[s].seek(*mesh, {compilation.options.placement_seed, spare[s]}));
    Spread spread = searches[s].take();
    compilation.program.sections[s] = std::move(spread.section);
    compilation.traffic.push_back(std::move(spread.traffic));
  }
  return {};
}

}  // namespace rdusim::compiler
