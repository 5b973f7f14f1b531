// Geometry of the mesh of one socket: where its PCUs, PMUs and AGCUs are, and how its links are numbered.
//
//        column 0 ..                 | .. columns-1
//   row 0   PMU PCU PMU PCU ...      |               tile = row * columns + column: one switch each, most
//   with
//           PCU PMU PCU PMU ...    die boundary      a unit behind it. Directed link = tile * 4 + heading of
//   AGCU >  PMU PCU PMU PCU ...      |      < AGCU   the hop that leaves the tile's switch.
//
// PCUs and PMUs alternate along a snake over the rows, which is a checkerboard when there are as many of one
// as of the other (P Fig. 4), and an even mix otherwise. The dies lie side by side; every row crosses their
// boundary by one link each way, with a rate and latency of its own. AGCUs sit at the outer left and right
// borders, spread over the rows, each at the switch of a border tile. Left out: the scalar and control
// networks, which take the same way.
// Sources: P = Prabhakar et al., MICRO 2024 (arXiv 2405.07518); the mesh's shape is assumed
// (configs/chips/).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/arch/chip.h"
#include "base/ids.h"

namespace rdusim {

enum class Heading : uint8_t { kEast, kSouth, kWest, kNorth };
inline constexpr size_t kHeadings = 4;

// What a switch has behind it.
enum class TileKind : uint8_t { kPcu, kPmu, kEmpty };
std::string_view tile_kind_name(TileKind kind);

// What a Program notes of the mesh that it was placed on. rows == 0: it was not placed.
struct MeshShape {
  int64_t rows = 0;
  int64_t columns = 0;
  int64_t dies = 1;
  int64_t agcu_ports = 0;
  [[nodiscard]] int64_t tiles() const { return rows * columns; }
  friend bool operator==(const MeshShape&, const MeshShape&) = default;
};
// The chip's mesh. A chip that names no shape (0 rows and columns) gets the smallest that is nearly square
// and holds its units.
MeshShape mesh_shape(const ChipSpec& chip);

class Fabric {
 public:
  // The mesh must have a tile for each unit, a row and a column (CHECK).
  Fabric(const MeshShape& shape, int64_t pcus, int64_t pmus);
  explicit Fabric(const ChipSpec& chip) : Fabric(mesh_shape(chip), chip.pcu.count, chip.pmu.count) {}

  [[nodiscard]] const MeshShape& shape() const { return shape_; }
  [[nodiscard]] int64_t tiles() const { return shape_.tiles(); }
  [[nodiscard]] TileId tile(int64_t row, int64_t column) const {
    return TileId(static_cast<size_t>(row * shape_.columns + column));
  }
  [[nodiscard]] int64_t row(TileId t) const { return t.value / shape_.columns; }
  [[nodiscard]] int64_t column(TileId t) const { return t.value % shape_.columns; }
  [[nodiscard]] int64_t die(TileId t) const { return column(t) * shape_.dies / shape_.columns; }
  [[nodiscard]] TileKind kind(TileId t) const { return kinds_[t.value]; }
  // Tiles along the snake: neighbours in it are neighbours on the mesh.
  [[nodiscard]] TileId on_snake(int64_t position) const;

  // Switch that an AGCU port is attached to.
  [[nodiscard]] TileId agcu_tile(int64_t port) const { return agcus_[static_cast<size_t>(port)]; }
  [[nodiscard]] int64_t agcu_ports() const { return static_cast<int64_t>(agcus_.size()); }

  // --- directed links between switches
  // Numbers in [0, link_slots()); those that would leave the mesh are not used.
  [[nodiscard]] int64_t link_slots() const { return tiles() * static_cast<int64_t>(kHeadings); }
  [[nodiscard]] LinkId link(TileId from, Heading heading) const {
    return LinkId(from.value * kHeadings + static_cast<size_t>(heading));
  }
  [[nodiscard]] TileId from(LinkId l) const { return TileId(l.value / kHeadings); }
  [[nodiscard]] Heading heading(LinkId l) const { return static_cast<Heading>(l.value % kHeadings); }
  [[nodiscard]] std::optional<TileId> neighbour(TileId from, Heading heading) const;
  // The same without the check: the hop must stay on the mesh.
  [[nodiscard]] TileId step(TileId from, Heading heading) const {
    const std::array<int64_t, kHeadings> strides = {1, shape_.columns, -1, -shape_.columns};
    return TileId(static_cast<size_t>(from.value + strides[static_cast<size_t>(heading)]));
  }
  [[nodiscard]] bool crosses_die(LinkId l) const;
  // Rate of a link between switches, and what a hop over it takes.
  [[nodiscard]] int64_t link_bytes_per_cycle(const RdnSpec& rdn, LinkId l) const {
    return crosses_die(l) ? rdn.die_link_bytes_per_cycle : rdn.link_bytes_per_cycle;
  }
  [[nodiscard]] int64_t hop_cycles(const RdnSpec& rdn, LinkId l) const {
    return crosses_die(l) ? rdn.die_hop_latency_cycles : rdn.hop_latency_cycles;
  }
  // Hops of a shortest way.
  [[nodiscard]] int64_t distance(TileId a, TileId b) const;
  // Heading of the straight way from one tile to another of the same row or column; absent if there is none.
  [[nodiscard]] std::optional<Heading> straight(TileId from, TileId to) const;

 private:
  MeshShape shape_;
  std::vector<TileKind> kinds_;
  std::vector<TileId> agcus_;
};

}  // namespace rdusim
