// Routes over the mesh: the links that they cross and how long the way is (Route in program.h).
#pragma once

#include <cstdint>
#include <vector>

#include "base/arch/fabric.h"
#include "base/program/program.h"

namespace rdusim {

// A hop of a route: its link, and the number of the hop before it (absent: it leaves the source).
struct RouteHop {
  LinkId link;
  std::optional<uint32_t> before;
  friend bool operator==(const RouteHop&, const RouteHop&) = default;
};
// Hops of a route, each after the one before it. The route must obey verify_program's rules.
std::vector<RouteHop> route_hops(const Fabric& fabric, const Route& route);

// Hop latencies from the source to the farthest destination, cycles.
int64_t route_cycles(const Fabric& fabric, const RdnSpec& rdn, const Route& route);

// Tiles at whose switches tokens of a unit enter and leave the mesh: its own, or those of its AGCU ports.
std::vector<TileId> end_tiles(const Fabric& fabric, const Unit& unit);

// Of verify_program: the mesh, tiles, AGCU ports and routes of every section.
Status verify_placement(const Program& program, int64_t pcus, int64_t pmus);

}  // namespace rdusim
