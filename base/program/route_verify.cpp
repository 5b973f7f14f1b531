// verify_placement: units stand on tiles of their kind, each tile is used once in a section, and every route
// is a tree of straight runs between the ends that its channel names.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/program/route.h"
#include "base/program/topology.h"
#include "base/program/verify.h"

namespace rdusim {

namespace {

constexpr int64_t kMaxTiles = 1 << 22;  // far above any chip; bounds what a hostile file can make us allocate
constexpr int64_t kMaxAgcus = 4096;

Error placement_error(const std::string& where, std::string what) {
  return Error{ErrorCode::kInvalidInput, where, std::move(what), ""};
}

// A set of tiles that is emptied in constant time.
class TileSet {
 public:
  explicit TileSet(int64_t tiles) : stamp_(static_cast<size_t>(tiles), 0) {}
  void clear() { ++now_; }
  // False if it was in already.
  bool insert(TileId t) { return std::exchange(stamp_[t.value], now_) != now_; }
  [[nodiscard]] bool contains(TileId t) const { return stamp_[t.value] == now_; }

 private:
  std::vector<uint64_t> stamp_;
  uint64_t now_ = 1;
};

class PlacementVerifier {
 public:
  PlacementVerifier(const Section& section, const Fabric& fabric)
      : section_(section),
        fabric_(fabric),
        used_(fabric.tiles()),
        starts_(fabric.tiles()),
        ends_(fabric.tiles()),
        started_(fabric.tiles()),
        reached_(fabric.tiles()),
        visited_(fabric.tiles()) {}

  Status verify() {
    for (const Unit& unit : section_.units) RDU_CHECK_OK(verify_unit(unit));
    for (const Channel& c : section_.channels) {
      RDU_CHECK_OK(verify_tiles("channel " + c.name, c.tiles, c.pmus, TileKind::kPmu));
    }
    RDU_ASSIGN(const std::vector<ChannelEnds> ends, channel_ends(section_));
    for (size_t c = 0; c < ends.size(); ++c) {
      RDU_CHECK_OK(verify_channel(section_.channels[c], section_.units[ends[c].producer->value],
                                  section_.units[ends[c].consumer->value]));
    }
    const std::vector<LinkId> cycle = dependency_cycle(fabric_, section_);
    if (cycle.empty()) return {};
    return placement_error("section " + section_.name,
                           fmt::format("its routes can wait for each other in a circle of links at tile {}",
                                       fabric_.from(cycle.front()).value));
  }

 private:
  [[nodiscard]] Error error(const std::string& part, std::string what) const {
    return placement_error(fmt::format("section {}, {}", section_.name, part), std::move(what));
  }

  Status verify_unit(const Unit& unit) {
    const std::string part = "unit " + unit.name;
    const bool buffer = unit.kind == UnitKind::kBuffer;
    RDU_CHECK_OK(verify_tiles(part, unit.tiles, buffer ? unit.pmus : unit.pcus,
                              buffer ? TileKind::kPmu : TileKind::kPcu));
    const bool streams = unit.stream.has_value() || unit.exchange.has_value();
    if (!streams && !unit.agcus.empty()) return error(part, "only streams and exchanges use AGCU ports");
    for (const int64_t port : unit.agcus) {
      if (port < 0 || port >= fabric_.agcu_ports())
        return error(part, fmt::format("AGCU port {} of {}", port, fabric_.agcu_ports()));
    }
    return {};
  }

  Status verify_tiles(const std::string& part, const std::vector<TileId>& tiles, int64_t count,
                      TileKind kind) {
    if (tiles.empty()) return {};
    if (static_cast<int64_t>(tiles.size()) != count) {
      return error(part, fmt::format("has {} {}s on {} tiles", count, tile_kind_name(kind), tiles.size()));
    }
    for (const TileId t : tiles) {
      if (t.value >= static_cast<uint64_t>(fabric_.tiles()))
        return error(part, fmt::format("tile {} of {}", t.value, fabric_.tiles()));
      if (fabric_.kind(t) != kind) {
        return error(part, fmt::format("tile {} holds a {}, not a {}", t.value,
                                       tile_kind_name(fabric_.kind(t)), tile_kind_name(kind)));
      }
      if (!used_.insert(t)) return error(part, fmt::format("tile {} is used twice", t.value));
    }
    return {};
  }

  Status verify_channel(const Channel& c, const Unit& producer, const Unit& consumer) {
    const bool two_legs = c.pmus > 0;
    if (c.legs[0].empty() && c.legs[1].empty()) return {};
    const std::string part = "channel " + c.name;
    if (c.legs[0].empty() || c.legs[1].empty() == two_legs)
      return error(part, two_legs ? "routes must lead to its PMUs and from them"
                                  : "has no PMUs, so one leg of routes");
    if (two_legs && c.tiles.empty()) return error(part, "is routed but its PMUs are not placed");
    const std::vector<TileId> from = end_tiles(fabric_, producer);
    const std::vector<TileId> to = end_tiles(fabric_, consumer);
    if (from.empty() || to.empty()) return error(part, "is routed but an end of it is not placed");
    RDU_CHECK_OK(verify_leg(part, c.legs[0], from, two_legs ? c.tiles : to));
    return two_legs ? verify_leg(part, c.legs[1], c.tiles, to) : Status();
  }

  Status verify_leg(const std::string& part, const std::vector<Route>& leg, const std::vector<TileId>& from,
                    const std::vector<TileId>& to) {
    for (TileSet* set : {&starts_, &ends_, &started_, &reached_}) set->clear();
    for (const TileId t : from) starts_.insert(t);
    for (const TileId t : to) ends_.insert(t);
    for (const Route& route : leg) RDU_CHECK_OK(verify_route(part, route));
    for (const TileId t : from) {
      if (!started_.contains(t)) return error(part, fmt::format("no route starts at tile {}", t.value));
    }
    for (const TileId t : to) {
      if (!reached_.contains(t)) return error(part, fmt::format("no route reaches tile {}", t.value));
    }
    return {};
  }

  Status verify_route(const std::string& part, const Route& route) {
    if (route.points.empty()) return error(part, "a route has no point");
    visited_.clear();
    std::vector<bool> leaf(route.points.size(), true);
    for (size_t i = 0; i < route.points.size(); ++i) {
      const Waypoint& w = route.points[i];
      if (w.tile.value >= static_cast<uint64_t>(fabric_.tiles()))
        return error(part, fmt::format("a route passes tile {} of {}", w.tile.value, fabric_.tiles()));
      if (i == 0) {
        if (w.parent != 0) return error(part, "a route's source hangs on another point");
        visited_.insert(w.tile);
      } else {
        if (w.parent >= i) return error(part, fmt::format("point {} of a route hangs on a later one", i));
        RDU_CHECK_OK(walk(part, route.points[w.parent].tile, w.tile));
        leaf[w.parent] = false;
      }
      if (!w.delivers) continue;
      if (!ends_.contains(w.tile))
        return error(part, fmt::format("a route delivers at tile {}, which is no end of it", w.tile.value));
      reached_.insert(w.tile);
    }
    for (size_t i = 0; i < leaf.size(); ++i) {
      if (leaf[i] && !route.points[i].delivers)
        return error(part,
                     fmt::format("a route ends at tile {} without delivering", route.points[i].tile.value));
    }
    const TileId source = route.points[0].tile;
    if (!starts_.contains(source))
      return error(part, fmt::format("a route starts at tile {}, which is no end of it", source.value));
    started_.insert(source);
    return {};
  }

  // A straight run, on switches that the route has not met.
  Status walk(const std::string& part, TileId at, TileId to) {
    const std::optional<Heading> heading = fabric_.straight(at, to);
    if (!heading)
      return error(part, fmt::format("no straight way from tile {} to tile {}", at.value, to.value));
    while (at != to) {
      at = *fabric_.neighbour(at, *heading);
      if (!visited_.insert(at)) return error(part, fmt::format("a route meets tile {} twice", at.value));
    }
    return {};
  }

  const Section& section_;
  const Fabric& fabric_;
  TileSet used_;
  TileSet starts_;
  TileSet ends_;
  TileSet started_;
  TileSet reached_;
  TileSet visited_;
};

bool is_placed(const Section& section) {
  const auto unit_placed = [](const Unit& u) { return !u.tiles.empty() || !u.agcus.empty(); };
  const auto channel_placed = [](const Channel& c) {
    return !c.tiles.empty() || !c.legs[0].empty() || !c.legs[1].empty();
  };
  return std::any_of(section.units.begin(), section.units.end(), unit_placed) ||
         std::any_of(section.channels.begin(), section.channels.end(), channel_placed);
}

}  // namespace

Status verify_placement(const Program& program, int64_t pcus, int64_t pmus) {
  const MeshShape& mesh = program.mesh;
  const std::string where = "program " + program.name;
  if (mesh.rows == 0) {
    for (const Section& section : program.sections) {
      if (is_placed(section)) return placement_error("section " + section.name, "is placed on no mesh");
    }
    return {};
  }
  const bool sane = mesh.rows > 0 && mesh.columns > 0 && mesh.rows <= kMaxTiles / mesh.columns &&
                    mesh.dies > 0 && mesh.dies <= mesh.columns && mesh.agcu_ports > 0 &&
                    mesh.agcu_ports <= kMaxAgcus;
  if (!sane) return placement_error(where, "its mesh is absurd");
  if (pcus + pmus > mesh.tiles()) {
    return placement_error(where, fmt::format("its mesh of {} x {} has no room for {} PCUs and {} PMUs",
                                              mesh.rows, mesh.columns, pcus, pmus));
  }
  const Fabric fabric(mesh, pcus, pmus);
  for (const Section& section : program.sections) RDU_CHECK_OK(PlacementVerifier(section, fabric).verify());
  return {};
}

Status verify_program(const Program& program, int64_t pcus, int64_t pmus) {
  RDU_CHECK_OK(verify_structure(program, pcus, pmus));
  return verify_placement(program, pcus, pmus);
}

}  // namespace rdusim
