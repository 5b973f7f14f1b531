#include "compiler/passes/routed_cost.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "compiler/passes/launch_course.h"

namespace rdusim::compiler {

namespace {

// Widths of strips that are drawn, lying and upright. assumed: from a tenth of the mesh to half of it; on 30
// workloads each of them is the best of some.
constexpr std::array<int64_t, 8> kWidths = {4, 5, 7, 8, 10, 14, 20, 26};

// No other draw is routed when the ways make a launch no longer than this many thousandths.
constexpr int64_t kWellPlaced = 1020;
// No other round is drawn when they make it no longer than this, nor when the last one's slowest draw was no
// longer than this beside its fastest.
constexpr int64_t kWorthMore = 1100;
constexpr int64_t kAllAlike = 1010;
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

void sort_by_wires(std::vector<Draw>& draws) {
  std::stable_sort(draws.begin(), draws.end(),
                   [](const Draw& a, const Draw& b) { return a.wires < b.wires; });
}

// When a launch of a placed section ends, its ways included.
Result<int64_t> routed_cycles(Section section, SectionTraffic traffic, const Mesh& mesh) {
  RDU_CHECK_OK(route_section(section, traffic, mesh));
  return launch_cycles(section, *traffic.launch, mesh.chip);
}

}  // namespace

MappingSearch::MappingSearch(const Section& section, const SectionTraffic& traffic, const Mesh& mesh,
                             const DrawOptions& options)
    : section_(section),
      traffic_(traffic),
      mesh_(mesh),
      options_{options.seed << 16, options.spare_cycles},
      without_ways_(launch_cycles(section, *traffic.launch, mesh.chip)) {}

bool MappingSearch::costs_at_most(int64_t permille) const {
  return best_.cycles <= std::max(without_ways_ * permille / 1000, without_ways_ + options_.spare_cycles);
}

Status MappingSearch::route_draws(std::vector<Draw>& draws, size_t begin, size_t end) {
  for (size_t d = begin; d < std::min(end, draws.size()); ++d) {
    if (best_.cycles > 0 && costs_at_most(kWellPlaced)) break;
    RDU_CHECK_OK(place_agcus(draws[d].section, mesh_.chip, mesh_.fabric));
    RDU_ASSIGN(const int64_t cycles, routed_cycles(draws[d].section, traffic_, mesh_));
    soonest_ = d == begin ? cycles : std::min(soonest_, cycles);
    latest_ = d == begin ? cycles : std::max(latest_, cycles);
    if (best_.cycles == 0 || cycles < best_.cycles)
      best_ = {std::move(draws[d].section), draws[d].layout, cycles};
  }
  return {};
}

Status MappingSearch::route(int draws) {
  const auto wanted = static_cast<size_t>(draws);
  if (first_.empty()) {
    first_ =
        draw_placements(section_, traffic_, mesh_.fabric,
                        traffic_.layout ? std::vector<Layout>{*traffic_.layout} : all_layouts(options_.seed));
    sort_by_wires(first_);
  }
  RDU_CHECK_OK(route_draws(first_, routed_, wanted));
  routed_ = std::max(routed_, wanted);
  return {};
}

Status MappingSearch::draw_again(int rounds) {
  for (int round = 1; round <= rounds && !costs_at_most(kWorthMore); ++round) {
    if (round > 1 && latest_ <= soonest_ * kAllAlike / 1000) break;
    const uint64_t seed = options_.seed + static_cast<uint64_t>(round) * kDrawsALayout;
    std::vector<Draw> draws =
        draw_placements(section_, traffic_, mesh_.fabric, layouts_like(best_.layout, seed));
    sort_by_wires(draws);
    RDU_CHECK_OK(route_draws(draws, 0, static_cast<size_t>(kManyDraws)));
  }
  return {};
}

}  // namespace rdusim::compiler
