#include "sim/cycle/leg_builder.h"

#include <algorithm>

namespace rdusim::sim::cycle {

namespace {

uint32_t index_of(const std::vector<TileId>& tiles, TileId tile) {
  return static_cast<uint32_t>(std::find(tiles.begin(), tiles.end(), tile) - tiles.begin());
}

}  // namespace

Leg LegBuilder::build(std::vector<RouteTree>& trees) {
  Leg leg;
  for (const Route& route : *spec_.routes) grow(route, trees.emplace_back(plant(route, leg)), leg);
  return leg;
}

Leg LegBuilder::join(std::vector<RouteTree>& trees) {
  Leg leg;
  for (size_t r = 0; r < trees.size(); ++r) grow((*spec_.routes)[r], trees[r], leg);
  return leg;
}

RouteTree LegBuilder::plant(const Route& route, Leg& leg) {
  const TileId from = route.points[0].tile;
  const std::optional<size_t> port = agcu_port(from);
  RouteTree tree;
  tree.root = tree.start = mesh_.network().add_root();
  const auto ways = static_cast<int64_t>(spec_.routes->size());
  tree.lane = {mesh_.virtual_channel(route, port), (spec_.vectors + ways - 1) / ways};
  if (port) tree.start = mesh_.add_entry(tree.root, *port, tree.lane);
  leg.sources.push_back(source_at(from, port));
  return tree;
}

void LegBuilder::grow(const Route& route, RouteTree& tree, Leg& leg) {
  leg.roots.push_back(tree.root);
  leg.from.push_back(index_of(*spec_.from, route.points[0].tile));
  std::vector<uint32_t> points{tree.start};
  uint16_t copies = 0;
  uint32_t to = 0;
  for (size_t i = 0; i < route.points.size(); ++i) {
    const Waypoint& w = route.points[i];
    if (i > 0) points.push_back(walk(tree, points[w.parent], route.points[w.parent].tile, w.tile));
    if (!w.delivers) continue;
    if (copies++ == 0) to = index_of(*spec_.to, w.tile);
    mesh_.network().add_delivery(points.back(), port_at(w.tile));
    tree.ends.push_back(w.tile);
  }
  leg.copies.push_back(copies);
  leg.to.push_back(to);
}

// Along a row or column, where the tree has links already, over these. Returns the point at `to`.
uint32_t LegBuilder::walk(RouteTree& tree, uint32_t point, TileId at, TileId to) {
  const Fabric& fabric = mesh_.fabric();
  const Heading heading = *fabric.straight(at, to);
  for (; at != to; at = fabric.step(at, heading)) {
    const LinkId link = fabric.link(at, heading);
    const auto [hop, added] = tree.hops.try_emplace({point, link}, 0);
    if (added) hop->second = mesh_.add_hop(point, link, tree.lane);
    point = hop->second;
  }
  return point;
}

// Ports of a unit at the same tile take turns.
std::optional<size_t> LegBuilder::agcu_port(TileId tile) {
  if (spec_.from_agcu == nullptr) return std::nullopt;
  const std::vector<int64_t>& agcus = spec_.from_agcu->agcus;
  for (size_t i = 0; i < agcus.size(); ++i) {
    const int64_t port = agcus[next_agcu_++ % agcus.size()];
    if (mesh_.fabric().agcu_tile(port) == tile) return static_cast<size_t>(port);
  }
  return std::nullopt;
}

uint32_t LegBuilder::source_at(TileId tile, std::optional<size_t> agcu_port) {
  const auto [at, added] = sources_.try_emplace({agcu_port, tile}, 0);
  if (added) at->second = mesh_.network().add_source();
  return at->second;
}

uint32_t LegBuilder::port_at(TileId tile) {
  if (spec_.to_agcu && mesh_.agcu_sink(tile) != BurstNetwork::kNone) return mesh_.agcu_sink(tile);
  const auto [at, added] = ports_.try_emplace(tile, 0);
  if (added) at->second = mesh_.network().add_link(1, 0, 0);
  return at->second;
}

}  // namespace rdusim::sim::cycle
