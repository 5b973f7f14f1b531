#include "sim/cycle/placement.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/program/route.h"
#include "base/program/topology.h"

namespace rdusim::sim::cycle {

namespace {

bool is_placed(const Section& section) {
  return std::all_of(
             section.units.begin(), section.units.end(),
             [](const Unit& u) { return !u.tiles.empty() || !u.agcus.empty() || u.pcus + u.pmus == 0; }) &&
         std::any_of(section.units.begin(), section.units.end(),
                     [](const Unit& u) { return !u.tiles.empty() || !u.agcus.empty(); });
}

class RowMajor {
 public:
  explicit RowMajor(const Fabric& fabric) : fabric_(fabric) {}

  Result<std::vector<TileId>> take(TileKind kind, int64_t count) {
    std::vector<TileId> tiles;
    size_t& next = next_[static_cast<size_t>(kind)];
    for (; next < static_cast<size_t>(fabric_.tiles()) && static_cast<int64_t>(tiles.size()) < count;
         ++next) {
      if (fabric_.kind(TileId(next)) == kind) tiles.emplace_back(next);
    }
    if (static_cast<int64_t>(tiles.size()) == count) return tiles;
    return Error{ErrorCode::kCapacity, "cycle fidelity",
                 fmt::format("the section needs more {}s than the mesh has", tile_kind_name(kind)),
                 "compile it for this chip"};
  }

 private:
  const Fabric& fabric_;
  std::array<size_t, 3> next_{};
};

Route plain_route(const Fabric& fabric, TileId from, TileId to) {
  Route route;
  route.points.push_back({from, 0, false});
  const TileId corner = fabric.tile(fabric.row(from), fabric.column(to));
  for (const TileId next : {corner, to}) {
    if (next == route.points.back().tile) continue;
    route.points.push_back({next, static_cast<uint32_t>(route.points.size() - 1), false});
  }
  route.points.back().delivers = true;
  return route;
}

std::vector<Route> plain_leg(const Fabric& fabric, const std::vector<TileId>& from,
                             const std::vector<TileId>& to) {
  std::vector<Route> routes;
  const size_t wider = std::max(from.size(), to.size());
  if (from.empty() || to.empty()) return routes;
  for (size_t i = 0; i < wider; ++i)
    routes.push_back(plain_route(fabric, from[i * from.size() / wider], to[i * to.size() / wider]));
  return routes;
}

}  // namespace

Result<Section> placed_section(const Section& section, const Fabric& fabric) {
  Section placed = section;
  if (is_placed(section)) return placed;
  RowMajor order(fabric);
  for (Unit& unit : placed.units) {
    const bool pmu = unit.kind == UnitKind::kBuffer;
    const bool agcu = unit.stream || unit.exchange;
    if (agcu) {
      for (int64_t p = 0; p < fabric.agcu_ports(); ++p) unit.agcus.push_back(p);
    } else {
      RDU_ASSIGN(unit.tiles, order.take(pmu ? TileKind::kPmu : TileKind::kPcu,
                                        std::max<int64_t>(1, pmu ? unit.pmus : unit.pcus)));
    }
  }
  RDU_ASSIGN(const auto ends, channel_ends(placed));
  for (size_t c = 0; c < placed.channels.size(); ++c) {
    Channel& channel = placed.channels[c];
    RDU_ASSIGN(channel.tiles, order.take(TileKind::kPmu, channel.pmus));
    const auto from = end_tiles(fabric, placed.units[ends[c].producer->value]);
    const auto to = end_tiles(fabric, placed.units[ends[c].consumer->value]);
    if (channel.tiles.empty()) {
      channel.legs[0] = plain_leg(fabric, from, to);
    } else {
      channel.legs[0] = plain_leg(fabric, from, channel.tiles);
      channel.legs[1] = plain_leg(fabric, channel.tiles, to);
    }
  }
  return placed;
}

}  // namespace rdusim::sim::cycle
