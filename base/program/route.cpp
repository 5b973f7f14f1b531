#include "base/program/route.h"

#include <algorithm>

#include "base/check.h"

namespace rdusim {

std::vector<LinkId> dependency_cycle(const Fabric& fabric, const Section& section) {
  // After link l come links that leave the tile it leads to: a bit a heading.
  std::vector<uint8_t> next(static_cast<size_t>(fabric.link_slots()), 0);
  std::vector<std::optional<LinkId>> last;  // link into each point of a route
  for (const Channel& channel : section.channels) {
    for (const std::vector<Route>& leg : channel.legs) {
      for (const Route& route : leg) {
        last.assign(route.points.size(), std::nullopt);
        for (size_t i = 1; i < route.points.size(); ++i) {
          const Waypoint& w = route.points[i];
          TileId at = route.points[w.parent].tile;
          const Heading heading = *fabric.straight(at, w.tile);
          const auto bit = static_cast<uint8_t>(1U << static_cast<unsigned>(heading));
          last[i] = last[w.parent];
          for (; at != w.tile; at = fabric.step(at, heading)) {
            if (last[i]) next[last[i]->value] |= bit;
            last[i] = fabric.link(at, heading);
          }
        }
      }
    }
  }
  // Links are taken away while nothing that is left leads to them; a cycle stays.
  const auto followers = [&](size_t l, auto&& visit) {
    const TileId to = fabric.step(fabric.from(LinkId(l)), fabric.heading(LinkId(l)));
    for (unsigned h = 0; h < kHeadings; ++h) {
      if ((next[l] >> h & 1U) != 0) visit(fabric.link(to, static_cast<Heading>(h)));
    }
  };
  std::vector<int> incoming(next.size(), 0);
  for (size_t l = 0; l < next.size(); ++l) followers(l, [&](LinkId f) { ++incoming[f.value]; });
  std::vector<size_t> free;
  for (size_t l = 0; l < next.size(); ++l) {
    if (incoming[l] == 0) free.push_back(l);
  }
  for (size_t done = 0; done < free.size(); ++done) {
    followers(free[done], [&](LinkId f) {
      if (--incoming[f.value] == 0) free.push_back(f.value);
    });
  }
  std::vector<LinkId> cycle;
  for (size_t l = 0; l < incoming.size(); ++l) {
    if (incoming[l] > 0) cycle.emplace_back(l);
  }
  return cycle;
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
