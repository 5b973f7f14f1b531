#include "base/arch/fabric.h"

#include <cstdlib>

#include "base/check.h"

namespace rdusim {

std::string_view tile_kind_name(TileKind kind) {
  constexpr std::array<std::string_view, 3> kNames = {"PCU", "PMU", "empty"};
  return kNames[static_cast<size_t>(kind)];
}

MeshShape mesh_shape(const ChipSpec& chip) {
  MeshShape shape{chip.rdn.rows, chip.rdn.columns, chip.dies, chip.agcu_ports};
  if (shape.rows > 0) return shape;
  const int64_t units = chip.pcu.count + chip.pmu.count;
  shape.rows = 1;
  while ((shape.rows + 1) * (shape.rows + 1) <= units) ++shape.rows;
  shape.columns = (units + shape.rows - 1) / shape.rows;
  return shape;
}

Fabric::Fabric(const MeshShape& shape, int64_t pcus, int64_t pmus) : shape_(shape) {
  RDU_CHECK(shape.rows > 0 && shape.columns > 0 && shape.dies > 0 && shape.agcu_ports > 0,
            "a mesh of {} x {}, {} dies, {} AGCU ports", shape.rows, shape.columns, shape.dies,
            shape.agcu_ports);
  const int64_t units = pcus + pmus;
  RDU_CHECK(units <= tiles(), "{} units on a mesh of {} x {}", units, shape.rows, shape.columns);
  kinds_.assign(static_cast<size_t>(tiles()), TileKind::kEmpty);
  // The i-th unit on the snake is a PCU when the PCUs' even share of i + 1 units steps up.
  for (int64_t i = 0; i < units; ++i) {
    const bool pcu = (i + 1) * pcus / units > i * pcus / units;
    kinds_[on_snake(i).value] = pcu ? TileKind::kPcu : TileKind::kPmu;
  }
  const int64_t left = (shape.agcu_ports + 1) / 2;
  for (int64_t p = 0; p < shape.agcu_ports; ++p) {
    const int64_t side = p < left ? left : shape.agcu_ports - left;
    const int64_t place = p < left ? p : p - left;
    const int64_t row = (2 * place + 1) * shape.rows / (2 * side);
    agcus_.push_back(tile(row, p < left ? 0 : shape.columns - 1));
  }
}

TileId Fabric::on_snake(int64_t position) const {
  const int64_t row = position / shape_.columns;
  const int64_t along = position % shape_.columns;
  return tile(row, row % 2 == 0 ? along : shape_.columns - 1 - along);
}

std::optional<TileId> Fabric::neighbour(TileId from, Heading heading) const {
  const int64_t r = row(from);
  const int64_t c = column(from);
  switch (heading) {
    case Heading::kEast:
      return c + 1 < shape_.columns ? std::optional(tile(r, c + 1)) : std::nullopt;
    case Heading::kSouth:
      return r + 1 < shape_.rows ? std::optional(tile(r + 1, c)) : std::nullopt;
    case Heading::kWest:
      return c > 0 ? std::optional(tile(r, c - 1)) : std::nullopt;
    case Heading::kNorth:
      return r > 0 ? std::optional(tile(r - 1, c)) : std::nullopt;
  }
  return std::nullopt;
}

bool Fabric::crosses_die(LinkId l) const {
  const std::optional<TileId> to = neighbour(from(l), heading(l));
  return to.has_value() && die(from(l)) != die(*to);
}

int64_t Fabric::distance(TileId a, TileId b) const {
  return std::abs(row(a) - row(b)) + std::abs(column(a) - column(b));
}

std::optional<Heading> Fabric::straight(TileId from, TileId to) const {
  if (from == to) return std::nullopt;
  if (row(from) == row(to)) return column(from) < column(to) ? Heading::kEast : Heading::kWest;
  if (column(from) == column(to)) return row(from) < row(to) ? Heading::kSouth : Heading::kNorth;
  return std::nullopt;
}

}  // namespace rdusim
