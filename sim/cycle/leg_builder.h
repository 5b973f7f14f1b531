// Lays the ways of one leg of a channel into the burst network.
//
//   source FIFO ─► [AGCU port's way into the mesh] ─► links of the mesh ─► port of a unit, or AGCU
//   one a tile      if it leaves an AGCU                                    one a tile
//
// Every leg has FIFOs and ports of its own where it begins and ends, so data whose way is taken hold up no
// other channel's. Legs that leave an AGCU port share its way into the mesh; those that end at an AGCU, its
// way out.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "base/program/program.h"
#include "sim/cycle/mesh.h"

namespace rdusim::sim::cycle {

// Ways of one leg, by route: where its bursts start and how they go on.
struct Leg {
  std::vector<uint32_t> sources;
  std::vector<uint32_t> roots;
  std::vector<uint16_t> copies;
  std::vector<uint32_t> from;  // number of the tile at the source, of those that the leg starts at
  std::vector<uint32_t> to;    // ... of the first at its end
  [[nodiscard]] size_t size() const { return roots.size(); }
};

struct LegSpec {
  const std::vector<Route>* routes = nullptr;
  const std::vector<TileId>* from = nullptr;
  const std::vector<TileId>* to = nullptr;
  const Unit* from_agcu = nullptr;  // null: PCUs or PMUs
  bool to_agcu = false;
  int64_t vectors = 0;  // that its routes together carry in a launch
};

// A way as it lies in the network. Other channels' tokens may join it.
struct RouteTree {
  uint32_t root = 0;
  uint32_t start = 0;  // behind the AGCU's way into the mesh
  Lane lane;
  std::map<std::pair<uint32_t, LinkId>, uint32_t> hops;  // (point, link) -> point behind; each link once
  std::vector<TileId> ends;                              // that take a copy
};

class LegBuilder {
 public:
  // References both.
  LegBuilder(Mesh& mesh, const LegSpec& spec) : mesh_(mesh), spec_(spec) {}

  // Every route has a tree of its own, which is left in `trees`.
  Leg build(std::vector<RouteTree>& trees);
  // Every route joins a tree of another leg.
  Leg join(std::vector<RouteTree>& trees);

 private:
  RouteTree plant(const Route& route, Leg& leg);
  void grow(const Route& route, RouteTree& tree, Leg& leg);
  uint32_t walk(RouteTree& tree, uint32_t point, TileId at, TileId to);
  [[nodiscard]] std::optional<size_t> agcu_port(TileId tile);
  [[nodiscard]] uint32_t source_at(TileId tile, std::optional<size_t> agcu_port);
  [[nodiscard]] uint32_t port_at(TileId tile);

  Mesh& mesh_;
  const LegSpec& spec_;
  std::map<std::pair<std::optional<size_t>, TileId>, uint32_t> sources_;  // by AGCU port if any, and tile
  std::map<TileId, uint32_t> ports_;
  size_t next_agcu_ = 0;
};

}  // namespace rdusim::sim::cycle
