// Streams and exchanges use as many AGCU ports as a token has port widths; the largest use all.
#include "compiler/passes/placement.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <numeric>
#include <optional>
#include <utility>

#include "base/check.h"
#include "base/program/topology.h"
#include "base/random.h"

namespace rdusim::compiler {
namespace {

// assumed: swaps tried for each used tile; more make a longer compile and hardly shorter wires.
constexpr int64_t kSwapsPerTile = 6;

struct Wire {
  size_t block = 0;  // at the other end
  float weight = 0;  // bytes a launch
  // For each tile of the block, the seat of the one of the other that it talks to.
  std::vector<uint32_t> partners{};
};

// Tiles of one kind that work on the same thing. Its i-th tile is seat `first` + i.
struct Block {
  TileKind kind = TileKind::kPcu;
  size_t count = 0;
  size_t first = 0;
  std::vector<TileId>* tiles = nullptr;
  std::vector<Wire> wires{};
  size_t heaviest = 0;       // of its wires
  size_t anchor = SIZE_MAX;  // of PMUs: the block that they stand between
};

// Places of a row that fill up, and the free ones beside a place.
class FreePlaces {
 public:
  explicit FreePlaces(size_t size) : next_(size + 2), previous_(size + 2) {
    std::iota(next_.begin(), next_.end(), size_t{0});
    std::iota(previous_.begin(), previous_.end(), size_t{0});
  }
  void take(size_t place) {
    next_[place + 1] = place + 2;
    previous_[place + 1] = place;
  }
  // The nearest, a later one before an earlier one; absent if none is free.
  [[nodiscard]] std::optional<size_t> nearest(size_t place) {
    const size_t later = find(next_, place + 1);
    const size_t earlier = find(previous_, place + 1);
    const bool has_later = later + 1 < next_.size();
    if (earlier == 0 && !has_later) return std::nullopt;
    if (earlier == 0 || (has_later && later - (place + 1) <= place + 1 - earlier)) return later - 1;
    return earlier - 1;
  }

 private:
  // Of a chain of taken ones, the end; what it passes is led there.
  static size_t find(std::vector<size_t>& towards, size_t at) {
    while (towards[at] != at) at = towards[at] = towards[towards[at]];
    return at;
  }
  std::vector<size_t> next_;  // one place before the first and one behind the last
  std::vector<size_t> previous_;
};

class Placement {
 public:
  Placement(Section& section, const SectionTraffic& traffic, const Fabric& fabric)
      : section_(section), fabric_(fabric) {
    for (int64_t t = 0; t < fabric.tiles(); ++t) {
      const TileId tile(static_cast<size_t>(t));
      spots_.push_back({static_cast<int32_t>(fabric.row(tile)), static_cast<int32_t>(fabric.column(tile))});
    }
    add_blocks();
    add_wires(traffic);
    for (Block& block : blocks_) {
      const auto lighter = [](const Wire& x, const Wire& y) { return x.weight < y.weight; };
      block.heaviest = static_cast<size_t>(std::max_element(block.wires.begin(), block.wires.end(), lighter) -
                                           block.wires.begin());
      for (Wire& w : block.wires) {
        for (size_t i = 0; i < block.count; ++i)
          w.partners.push_back(static_cast<uint32_t>(part(block, i, blocks_[w.block])));
      }
    }
  }

  double draw(const Layout& layout) {
    lay(layout);
    swap_tiles(layout.seed);
    return wire_length();
  }
  // Hands the tiles of the last draw to units and channels.
  void assign() {
    for (const Block& block : blocks_) {
      block.tiles->clear();
      for (size_t i = 0; i < block.count; ++i) block.tiles->push_back(tiles_[block.first + i]);
    }
  }

 private:
  static constexpr size_t kNobody = SIZE_MAX;
  struct Spot {
    int32_t row = 0;
    int32_t column = 0;
  };

  // In pipeline order; a channel's PMUs stand before their consumer.
  void add_blocks() {
    unit_block_.assign(section_.units.size(), kNobody);
    channel_block_.assign(section_.channels.size(), kNobody);
    for (size_t u = 0; u < section_.units.size(); ++u) {
      Unit& unit = section_.units[u];
      for (const InputPort& port : unit.inputs) {
        Channel& c = section_.channels[port.channel.value];
        if (c.pmus > 0) channel_block_[port.channel.value] = add_block(TileKind::kPmu, c.pmus, c.tiles);
      }
      if (unit.pcus > 0) unit_block_[u] = add_block(TileKind::kPcu, unit.pcus, unit.tiles);
      if (unit.pmus > 0) unit_block_[u] = add_block(TileKind::kPmu, unit.pmus, unit.tiles);
    }
  }

  size_t add_block(TileKind kind, int64_t count, std::vector<TileId>& tiles) {
    const auto seats = static_cast<size_t>(count);
    blocks_.push_back({kind, seats, tiles_.size(), &tiles, {}, 0, kNobody});
    tiles_.resize(tiles_.size() + seats);
    block_of_.resize(tiles_.size(), blocks_.size() - 1);
    return blocks_.size() - 1;
  }

  // AGCU ports are spread over both borders, so wires to them pull nowhere.
  void add_wires(const SectionTraffic& traffic) {
    std::vector<size_t> producer(section_.channels.size(), kNobody);
    for (size_t u = 0; u < section_.units.size(); ++u) {
      for (const OutputPort& port : section_.units[u].outputs) {
        for (const ChannelId id : port.channels) producer[id.value] = unit_block_[u];
      }
    }
    for (size_t u = 0; u < section_.units.size(); ++u) {
      for (const InputPort& port : section_.units[u].inputs) {
        const size_t c = port.channel.value;
        const auto bytes = static_cast<float>(traffic.channels[c].bytes);
        const auto read = static_cast<float>(traffic.channels[c].read_bytes * traffic.channels[c].copies);
        const size_t between = channel_block_[c];
        if (between == kNobody) {
          wire(producer[c], unit_block_[u], std::max(bytes, read));
        } else {
          wire(producer[c], between, bytes);
          wire(between, unit_block_[u], read);
        }
      }
    }
  }

  // From block `a` to `b`, which comes later in the pipeline.
  void wire(size_t a, size_t b, float weight) {
    if (a == kNobody || b == kNobody || a == b) return;
    blocks_[a].wires.push_back({b, weight});
    blocks_[b].wires.push_back({a, weight});
    if (blocks_[a].kind == TileKind::kPmu) blocks_[a].anchor = b;
    if (blocks_[b].kind == TileKind::kPmu && blocks_[b].anchor == kNobody) blocks_[b].anchor = a;
  }

  // Position `i` of the snake through strips: across a strip and back, line after line, strips one way and
  // the other.
  [[nodiscard]] TileId on_strips(int64_t i, const Layout& layout) const {
    const MeshShape& mesh = fabric_.shape();
    const int64_t lines = layout.upright ? mesh.rows : mesh.columns;
    const int64_t strip = i / (layout.width * lines);
    const int64_t first = strip * layout.width;
    const int64_t width = std::min(layout.width, (layout.upright ? mesh.columns : mesh.rows) - first);
    const int64_t within = i - first * lines;
    const int64_t line = within / width;
    const int64_t along = strip % 2 == 0 ? line : lines - 1 - line;
    const int64_t across = first + (line % 2 == 0 ? within % width : width - 1 - within % width);
    return layout.upright ? fabric_.tile(along, across) : fabric_.tile(across, along);
  }

  void lay(const Layout& layout) {
    std::vector<TileId> snake;
    std::vector<size_t> place(static_cast<size_t>(fabric_.tiles()));  // of a tile on the snake
    for (int64_t i = 0; i < fabric_.tiles(); ++i) {
      snake.push_back(on_strips(i, layout));
      place[snake.back().value] = static_cast<size_t>(i);
    }
    owner_.assign(static_cast<size_t>(fabric_.tiles()), kNobody);
    size_t next = 0;
    for (const Block& block : blocks_) {
      if (block.kind != TileKind::kPcu) continue;
      for (size_t i = 0; i < block.count; ++i) {
        while (fabric_.kind(snake[next]) != TileKind::kPcu) ++next;
        sit(block.first + i, snake[next++]);
      }
    }
    lay_pmus(snake, place);
  }

  // Consumers before producers, so that a block's anchor is there; what has none stands beside the AGCUs.
  void lay_pmus(const std::vector<TileId>& snake, const std::vector<size_t>& place) {
    FreePlaces free(snake.size());
    for (size_t i = 0; i < snake.size(); ++i) {
      if (fabric_.kind(snake[i]) != TileKind::kPmu) free.take(i);
    }
    for (size_t b = blocks_.size(); b-- > 0;) {
      const Block& block = blocks_[b];
      if (block.kind != TileKind::kPmu) continue;
      for (size_t i = 0; i < block.count; ++i) {
        const auto port = static_cast<int64_t>(i) * fabric_.agcu_ports() / static_cast<int64_t>(block.count);
        const TileId beside =
            block.anchor == kNobody ? fabric_.agcu_tile(port) : tiles_[part(block, i, blocks_[block.anchor])];
        const std::optional<size_t> found = free.nearest(place[beside.value]);
        RDU_CHECK(found.has_value(), "section {} has no PMU left", section_.name);
        free.take(*found);
        sit(block.first + i, snake[*found]);
      }
    }
  }

  // The seat of the tile of `to` that the i-th of the block talks to.
  [[nodiscard]] static size_t part(const Block& block, size_t i, const Block& to) {
    return to.first + (2 * i + 1) * to.count / (2 * block.count);
  }

  void sit(size_t seat, TileId t) {
    owner_[t.value] = seat;
    tiles_[seat] = t;
  }

  // As Fabric::distance, without its divisions.
  [[nodiscard]] int32_t distance(TileId a, TileId b) const {
    const Spot& x = spots_[a.value];
    const Spot& y = spots_[b.value];
    return std::abs(x.row - y.row) + std::abs(x.column - y.column);
  }

  // Of the wires of a seat, if it stood on tile t.
  [[nodiscard]] float tile_cost(size_t seat, TileId t) const {
    const Block& block = blocks_[block_of_[seat]];
    float cost = 0;
    for (const Wire& w : block.wires)
      cost += w.weight * static_cast<float>(distance(t, tiles_[w.partners[seat - block.first]]));
    return cost / static_cast<float>(block.count);
  }

  [[nodiscard]] double wire_length() const {
    double sum = 0;
    for (size_t seat = 0; seat < tiles_.size(); ++seat)
      sum += static_cast<double>(tile_cost(seat, tiles_[seat]));
    return sum;
  }

  void swap_tiles(uint64_t seed) {
    Random random(static_cast<uint64_t>(blocks_.size()) + (seed << 20));
    std::array<std::vector<TileId>, 2> pool;
    for (size_t t = 0; t < owner_.size(); ++t) {
      const auto kind = static_cast<size_t>(fabric_.kind(TileId(t)));
      if (kind < pool.size()) pool[kind].emplace_back(t);
    }
    for (int64_t round = 0; round < kSwapsPerTile; ++round) {
      for (size_t t = 0; t < owner_.size(); ++t) {
        if (owner_[t] == kNobody) continue;
        const auto& candidates = pool[static_cast<size_t>(fabric_.kind(TileId(t)))];
        const TileId anywhere = candidates[random.below(candidates.size())];
        try_swap(TileId(t), round % 2 == 0 ? anywhere : near_partner(TileId(t), random).value_or(anywhere));
      }
    }
  }

  // A tile of the same kind beside the one that the block of `t` exchanges most bytes with; nothing: there is
  // none where chance looked.
  [[nodiscard]] std::optional<TileId> near_partner(TileId t, Random& random) const {
    // assumed: rows and columns around; of 2, 3 and 5 none was best on three prefills of Llama models.
    constexpr int64_t kNear = 3;
    const size_t seat = owner_[t.value];
    const Block& block = blocks_[block_of_[seat]];
    if (block.wires.empty()) return std::nullopt;
    const Spot& there = spots_[tiles_[block.wires[block.heaviest].partners[seat - block.first]].value];
    const int64_t row = there.row + static_cast<int64_t>(random.below(2 * kNear + 1)) - kNear;
    const int64_t column = there.column + static_cast<int64_t>(random.below(2 * kNear + 1)) - kNear;
    const MeshShape& mesh = fabric_.shape();
    if (row < 0 || column < 0 || row >= mesh.rows || column >= mesh.columns || mesh.columns < 2)
      return std::nullopt;
    const TileId found = fabric_.tile(row, column);
    if (fabric_.kind(found) == fabric_.kind(t)) return found;
    const TileId beside_it = fabric_.tile(row, column > 0 ? column - 1 : 1);
    if (fabric_.kind(beside_it) == fabric_.kind(t)) return beside_it;
    return std::nullopt;
  }

  void try_swap(TileId a, TileId b) {
    const size_t x = owner_[a.value];
    const size_t y = owner_[b.value];
    if (y != kNobody && block_of_[x] == block_of_[y]) return;
    float gain = tile_cost(x, a) - tile_cost(x, b);
    if (y != kNobody) gain += tile_cost(y, b) - tile_cost(y, a);
    if (gain <= 0) return;
    sit(x, b);
    owner_[a.value] = kNobody;
    if (y != kNobody) sit(y, a);
  }

  Section& section_;
  const Fabric& fabric_;
  std::vector<Spot> spots_;  // of each tile
  std::vector<Block> blocks_;
  std::vector<size_t> unit_block_;
  std::vector<size_t> channel_block_;
  std::vector<TileId> tiles_;     // of each seat
  std::vector<size_t> block_of_;  // of each seat
  std::vector<size_t> owner_;     // the seat of each tile
};

// As many ports as the largest token that passes has port widths, the ones nearest to `near`.
void choose_ports(Unit& unit, int64_t token_bytes, const ChipSpec& chip, const Fabric& fabric,
                  const std::vector<TileId>& near) {
  const int64_t wanted =
      std::clamp<int64_t>(token_bytes / chip.agcu_port_bytes_per_cycle, 1, fabric.agcu_ports());
  std::vector<std::pair<int64_t, int64_t>> ports;  // distance, port
  for (int64_t p = 0; p < fabric.agcu_ports(); ++p) {
    int64_t distance = 0;
    for (const TileId t : near) distance += fabric.distance(fabric.agcu_tile(p), t);
    ports.emplace_back(distance, p);
  }
  std::sort(ports.begin(), ports.end());
  unit.agcus.clear();
  for (int64_t i = 0; i < wanted; ++i) unit.agcus.push_back(ports[static_cast<size_t>(i)].second);
  std::sort(unit.agcus.begin(), unit.agcus.end());
}

}  // namespace

Status place_agcus(Section& section, const ChipSpec& chip, const Fabric& fabric) {
  RDU_ASSIGN(const std::vector<ChannelEnds> ends, channel_ends(section));
  for (Unit& unit : section.units) {
    if (!unit.stream && !unit.exchange) continue;
    std::vector<ChannelId> channels;
    for (const InputPort& port : unit.inputs) channels.push_back(port.channel);
    for (const OutputPort& port : unit.outputs)
      channels.insert(channels.end(), port.channels.begin(), port.channels.end());
    int64_t bytes = 0;
    std::vector<TileId> near;
    for (const ChannelId id : channels) {
      const Channel& c = section.channels[id.value];
      bytes = std::max(bytes, c.token_bytes());
      for (const auto end : {ends[id.value].producer, ends[id.value].consumer}) {
        const std::vector<TileId>& tiles = section.units[end->value].tiles;
        near.insert(near.end(), tiles.begin(), tiles.end());
      }
      near.insert(near.end(), c.tiles.begin(), c.tiles.end());
    }
    choose_ports(unit, bytes, chip, fabric, near);
  }
  return {};
}

std::vector<Draw> draw_placements(const Section& section, const SectionTraffic& traffic, const Fabric& fabric,
                                  std::span<const Layout> layouts) {
  Section placed = section;
  Placement placement(placed, traffic, fabric);
  std::vector<Draw> draws;
  for (const Layout& layout : layouts) {
    const double wires = placement.draw(layout);
    placement.assign();
    draws.push_back({layout, placed, wires});
  }
  return draws;
}

}  // namespace rdusim::compiler
