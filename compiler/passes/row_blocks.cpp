#include "compiler/passes/row_blocks.h"

#include <algorithm>

#include "compiler/passes/routed_cost.h"

namespace rdusim::compiler {
namespace {

// Blocks of a run, at least. assumed: with fewer than 16 a pipeline of some twenty stages is filling most of
// the time, for which Sizing::kSteady does not size it.
constexpr int64_t kFewestSteady = 16;
// With fewer than these nearly nothing overlaps. Measured on ten prompts of 128 to 4096 tokens: 4 instead of
// 16 gains a tenth and more on those of 256 and 512, 1 loses a tenth on those of 128.
constexpr int64_t kFewestOfLaunch = 4;

}  // namespace

RowBlockSearch::RowBlockSearch(const Compilation& compilation)
    : compilation_(compilation), mesh_(*compilation.chip) {
  trial_.chip = compilation.chip;
  trial_.effort = Effort::kPrice;
  trial_.options = compilation.options;
  trial_.graph = compilation.graph;
  trial_.stages = compilation.stages;
  trial_.section_count = 1;
}

// Some operator of the group works on all rows of the prompts.
bool RowBlockSearch::applies(const Group& group) const {
  const Graph& graph = compilation_.graph;
  return std::any_of(group.nodes.begin(), group.nodes.end(), [&](NodeId id) {
    return graph.value(graph.node(id).outputs[0]).shape.rows() == graph.batch * graph.query_tokens;
  });
}

Status RowBlockSearch::build(const Group& group, int64_t rows) {
  const Tiling& tiling = compilation_.tiling;
  trial_.tiling = tiling;
  trial_.tiling.row_blocks.assign(1, rows);
  trial_.tiling.weights_resident.assign(1, tiling.weights_resident[group.section]);
  trial_.tiling.plain_blocks.assign(1, tiling.plain_blocks[group.section]);
  trial_.groups.assign(1, group);
  trial_.groups[0].section = 0;
  trial_.program = Program();
  trial_.traffic.clear();
  return lower(trial_);
}

bool RowBlockSearch::has_products() const {
  const std::vector<Unit>& units = trial_.program.sections[0].units;
  return std::any_of(units.begin(), units.end(), [](const Unit& u) { return u.kind == UnitKind::kGemm; });
}

Result<int64_t> RowBlockSearch::price(int64_t soonest) {
  RDU_CHECK_OK(allocate(trial_));
  MappingSearch search(trial_.program.sections[0], trial_.traffic[0], mesh_,
                       {trial_.options.placement_seed, 0});
  if (search.cycles_without_ways() >= soonest) return search.cycles_without_ways();
  RDU_CHECK_OK(search.route(2 * kFewDraws));
  return search.best().cycles;
}

Result<int64_t> RowBlockSearch::cheapest(const Group& group) {
  const Graph& graph = compilation_.graph;
  int64_t best = compilation_.tiling.row_blocks[group.section];
  const bool steady = compilation_.options.sizing == Sizing::kSteady;
  const int64_t fewest = steady ? kFewestSteady : kFewestOfLaunch;
  const int64_t most = std::min(graph.query_tokens, graph.batch * graph.query_tokens / fewest);
  if (2 * best > most || !applies(group)) return best;
  RDU_CHECK_OK(build(group, best));
  if (!has_products()) return best;
  RDU_ASSIGN(int64_t soonest, price(kNeverEnds));
  for (int64_t rows = 2 * best; rows <= most; rows *= 2) {
    RDU_CHECK_OK(build(group, rows));
    const Result<int64_t> cycles = price(soonest);
    if (!cycles.ok() && cycles.error().code != ErrorCode::kCapacity) return cycles.error();
    if (!cycles.ok()) break;  // nor do larger ones fit
    if (*cycles < soonest) soonest = *cycles, best = rows;
  }
  return best;
}

}  // namespace rdusim::compiler
