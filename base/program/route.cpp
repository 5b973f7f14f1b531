#include "base/program/route.h"

#include <algorithm>

#include "base/check.h"

namespace rdusim {

std::vector<RouteHop> route_hops(const Fabric& fabric, const Route& route) {
  std::vector<RouteHop> hops;
  std::vector<std::optional<uint32_t>> last(route.points.size());  // hop into each point
  for (size_t i = 1; i < route.points.size(); ++i) {
    const Waypoint& w = route.points[i];
    TileId at = route.points[w.parent].tile;
    const std::optional<Heading> heading = fabric.straight(at, w.tile);
    RDU_CHECK(heading.has_value(), "tiles {} and {} are not in a line", at.value, w.tile.value);
    last[i] = last[w.parent];
    while (at != w.tile) {
      hops.push_back({fabric.link(at, *heading), last[i]});
      last[i] = static_cast<uint32_t>(hops.size() - 1);
      at = *fabric.neighbour(at, *heading);
    }
  }
  return hops;
}

int64_t route_cycles(const Fabric& fabric, const RdnSpec& rdn, const Route& route) {
  std::vector<int64_t> cycles(route.points.size(), 0);
  int64_t longest = 0;
  for (size_t i = 1; i < route.points.size(); ++i) {
    const Waypoint& w = route.points[i];
    const TileId from = route.points[w.parent].tile;
    const int64_t crossings = std::abs(fabric.die(from) - fabric.die(w.tile));
    cycles[i] = cycles[w.parent] + (fabric.distance(from, w.tile) - crossings) * rdn.hop_latency_cycles +
                crossings * rdn.die_hop_latency_cycles;
    longest = std::max(longest, cycles[i]);
  }
  return longest;
}

std::vector<TileId> end_tiles(const Fabric& fabric, const Unit& unit) {
  std::vector<TileId> tiles = unit.tiles;
  for (const int64_t port : unit.agcus) tiles.push_back(fabric.agcu_tile(port));
  return tiles;
}

}  // namespace rdusim
