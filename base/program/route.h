// Routes over the mesh: the links that they cross and how long the way is (Route in program.h).
#pragma once

#include <cstdint>
#include <vector>

#include "base/arch/fabric.h"
#include "base/program/program.h"

namespace rdusim {

// Calls visit(link) for every hop of a route, each after the one before it. The route must obey
// verify_program's rules.
template <typename Visit>
void visit_links(const Fabric& fabric, const Route& route, Visit&& visit) {
  for (size_t i = 1; i < route.points.size(); ++i) {
    TileId at = route.points[route.points[i].parent].tile;
    const Heading heading = *fabric.straight(at, route.points[i].tile);
    for (; at != route.points[i].tile; at = fabric.step(at, heading)) visit(fabric.link(at, heading));
  }
}

// Hop latencies from the source to the farthest destination, cycles.
int64_t route_cycles(const Fabric& fabric, const RdnSpec& rdn, const Route& route);

// Whether the routes of a section can wait for each other in a circle. A packet that holds the buffer of one
// link and waits for the next makes the one depend on the other; routes whose dependencies have no cycle
// cannot deadlock in the mesh (Dally and Seitz, IEEE ToC 1987). A branch of a multicast waits for nothing but
// its own next link: switches copy to each output as it has room. Returns links of a cycle, empty if there is
// none.
std::vector<LinkId> dependency_cycle(const Fabric& fabric, const Section& section);

// Tiles at whose switches tokens of a unit enter and leave the mesh: its own, or those of its AGCU ports.
std::vector<TileId> end_tiles(const Fabric& fabric, const Unit& unit);

// Of verify_program: the mesh, tiles, AGCU ports and routes of every section.
Status verify_placement(const Program& program, int64_t pcus, int64_t pmus);

}  // namespace rdusim
