#include "compiler/passes/routed_cost.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "compiler/passes/placement.h"
#include "compiler/passes/section_router.h"

namespace rdusim::compiler {

namespace {

// Widths of strips that are drawn, lying and upright. assumed: from a tenth of the mesh to half of it; on 30
// workloads each of them is the best of some.
constexpr std::array<int64_t, 8> kWidths = {4, 5, 7, 8, 10, 14, 20, 26};

// No other draw is routed when the ways make a launch no longer than this many thousandths.
constexpr int64_t kWellPlaced = 1020;
// No other round is drawn when they make it no longer than this.
constexpr int64_t kWorthMore = 1100;
constexpr uint64_t kDrawsALayout = 12;

std::vector<Layout> all_layouts(uint64_t seed) {
  std::vector<Layout> all;
  for (const bool upright : {false, true}) {
    for (const int64_t width : kWidths) all.push_back({upright, width, seed});
  }
  return all;
}

// A layout with other swaps.
std::vector<Layout> layouts_like(const Layout& best, uint64_t first_seed) {
  std::vector<Layout> all;
  for (uint64_t i = 0; i < kDrawsALayout; ++i) all.push_back({best.upright, best.width, first_seed + i});
  return all;
}

// When a launch of a placed section ends, its ways included.
Result<int64_t> routed_cycles(Section section, SectionTraffic traffic, const Mesh& mesh) {
  RDU_CHECK_OK(route_section(section, traffic, mesh));
  return launch_cycles(section, *traffic.launch, mesh.chip);
}

}  // namespace

Result<Mapping> best_mapping(const Section& section, const SectionTraffic& traffic, const ChipSpec& chip,
                             const DrawOptions& options) {
  const Mesh mesh(chip);
  const int64_t without_ways = launch_cycles(section, *traffic.launch, chip);
  const uint64_t seed = options.seed << 16;
  std::vector<Layout> layouts = traffic.layout ? std::vector<Layout>{*traffic.layout} : all_layouts(seed);
  Mapping best;
  for (int round = 1; round <= options.rounds; ++round) {
    std::vector<Draw> draws = draw_placements(section, traffic, mesh.fabric, layouts);
    std::stable_sort(draws.begin(), draws.end(),
                     [](const Draw& a, const Draw& b) { return a.wires < b.wires; });
    for (size_t d = 0; d < draws.size() && d < static_cast<size_t>(options.routed); ++d) {
      RDU_CHECK_OK(place_agcus(draws[d].section, chip, mesh.fabric));
      RDU_ASSIGN(const int64_t cycles, routed_cycles(draws[d].section, traffic, mesh));
      if (best.cycles > 0 && cycles >= best.cycles) continue;
      best = {std::move(draws[d].section), draws[d].layout, cycles};
      if (cycles <= without_ways * kWellPlaced / 1000) return best;
    }
    if (best.cycles <= without_ways * kWorthMore / 1000) break;
    layouts = layouts_like(best.layout, seed + static_cast<uint64_t>(round) * kDrawsALayout);
  }
  return best;
}

}  // namespace rdusim::compiler
