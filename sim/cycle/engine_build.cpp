// How a section is laid out in the cycle engine: links, ways, PMUs, memories, units.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "base/arch/fabric.h"
#include "base/program/route.h"
#include "base/program/topology.h"
#include "sim/cycle/engine.h"
#include "sim/cycle/placement.h"
#include "sim/cycle/stream_unit.h"
#include "sim/resource_rates.h"

namespace rdusim::sim::cycle {

namespace {

// assumed: an operand FIFO of 32 vectors at the end of each route.
constexpr int64_t kOperandVectors = 32;

// Vectors that a reader may have asked for and not yet used: those in its FIFOs and those on their way, one a
// cycle in the PMU and in the wires and switches of every route. Longer ways hold more; what cannot go on is
// held back by the hops' own credits (burst_network.h). Fewer would let a link idle that nothing else wants.
int64_t read_window(const Fabric& fabric, const RdnSpec& rdn, const std::vector<Route>& routes) {
  int64_t vectors = routes.empty() ? kOperandVectors : 0;
  for (const Route& route : routes)
    vectors += kOperandVectors + PmuPorts::kAccessLatencyCycles + route_cycles(fabric, rdn, route);
  return vectors;
}

// Keys of a leg's sources: tiles, then AGCU ports.
constexpr uint32_t kAgcuKey = uint32_t{1} << 30;

uint32_t index_of(const std::vector<TileId>& tiles, TileId tile) {
  return static_cast<uint32_t>(std::find(tiles.begin(), tiles.end(), tile) - tiles.begin());
}

int64_t ceil_div(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

}  // namespace

Engine::Engine(const SectionContext& context, const MemoryDevices& memories)
    : context_(context), memories_(memories), network_(wheel_) {}

Status Engine::build() {
  const ChipSpec& chip = context_.node.chip;
  const Fabric fabric(chip);
  RDU_ASSIGN(section_, placed_section(context_.section, fabric));
  build_links(fabric);
  const size_t units = section_.units.size();
  unit_pmus_.resize(units);
  for (size_t u = 0; u < units; ++u) {
    if (section_.units[u].kind == UnitKind::kBuffer)
      unit_pmus_[u].assign(static_cast<size_t>(std::max<int64_t>(1, section_.units[u].pmus)),
                           PmuPorts(chip.pmu));
  }
  channels_.resize(section_.channels.size());
  channel_pmus_.resize(section_.channels.size());
  RDU_ASSIGN(const std::vector<ChannelEnds> ends, channel_ends(section_));
  for (size_t c = 0; c < channels_.size(); ++c) {
    channels_[c].producer = ends[c].producer->value;
    channels_[c].consumer = ends[c].consumer->value;
    channels_[c].input = ends[c].input_port;
    build_channel(fabric, c);
  }
  RDU_CHECK_OK(build_tiers());
  build_units();
  return {};
}

void Engine::build_links(const Fabric& fabric) {
  const RdnSpec& rdn = context_.node.chip.rdn;
  for (int64_t l = 0; l < fabric.link_slots(); ++l) {
    const LinkId link(static_cast<size_t>(l));
    const int64_t rate = std::min(rdn.link_bytes_per_cycle, fabric.link_bytes_per_cycle(rdn, link));
    const int64_t latency = fabric.hop_cycles(rdn, link);
    // FIFOs as in sim/noc/rdn.cpp.
    links_.push_back(network_.add_link(ceil_div(rdn.link_bytes_per_cycle, rate), latency, 4 * latency));
  }
  for (int64_t p = 0; p < fabric.agcu_ports(); ++p) {
    agcu_entries_.push_back(network_.add_link(1, 1, 4));
    agcu_sinks_.push_back(network_.add_link(1, 0, 0));
  }
}

// Routes take the virtual channels in turn: what stands in one of them lets the leg's others pass.
Leg Engine::build_leg(const Fabric& fabric, const std::vector<Route>& routes, const LegEnds& ends,
                      uint32_t lane, std::vector<RouteTree>& trees) {
  Leg leg;
  const bool joins = !trees.empty();
  trees.resize(routes.size());
  std::map<uint32_t, uint32_t> sources;  // by tile
  std::map<uint32_t, uint32_t> ports;
  size_t next_port = 0;
  // Every leg has FIFOs of its own where it starts, so data whose way is taken hold up no other channel's.
  // Those of an AGCU port share its link into the mesh.
  const auto source_at = [&](uint32_t key) {
    const auto [at, added] = sources.try_emplace(key, 0);
    if (added) at->second = network_.add_source();
    return at->second;
  };
  const auto port_of = [&](TileId tile) -> std::optional<size_t> {
    if (ends.from_agcu == nullptr) return std::nullopt;
    const std::vector<int64_t>& agcus = ends.from_agcu->agcus;
    for (size_t i = 0; i < agcus.size(); ++i) {
      const int64_t port = agcus[next_port++ % agcus.size()];
      if (fabric.agcu_tile(port) == tile) return static_cast<size_t>(port);
    }
    return std::nullopt;
  };
  const auto port_at = [&](TileId tile) {
    if (ends.to_agcu) {
      for (int64_t p = 0; p < fabric.agcu_ports(); ++p) {
        if (fabric.agcu_tile(p) == tile) return agcu_sinks_[static_cast<size_t>(p)];
      }
    }
    const auto [at, added] = ports.try_emplace(tile.value, 0);
    if (added) at->second = network_.add_link(1, 0, 0);
    return at->second;
  };
  for (size_t r = 0; r < routes.size(); ++r, ++lane) {
    const Route& route = routes[r];
    RouteTree& tree = trees[r];
    if (!joins) {
      tree.root = tree.start = network_.add_root();
      const TileId start = route.points[0].tile;
      const std::optional<size_t> port = port_of(start);
      leg.sources.push_back(source_at(port ? kAgcuKey + static_cast<uint32_t>(*port) : start.value));
      if (port) tree.start = network_.add_point(tree.root, agcu_entries_[*port], lane);
    }
    std::vector<uint32_t> points{tree.start};
    leg.roots.push_back(tree.root);
    leg.from.push_back(index_of(*ends.from, route.points[0].tile));
    uint16_t copies = 0;
    uint32_t to = 0;
    for (size_t i = 0; i < route.points.size(); ++i) {
      const Waypoint& w = route.points[i];
      if (i > 0) {
        TileId at = route.points[w.parent].tile;
        uint32_t point = points[w.parent];
        const Heading heading = *fabric.straight(at, w.tile);
        for (; at != w.tile; at = fabric.step(at, heading)) {
          const uint32_t link = links_[fabric.link(at, heading).value];
          const auto [hop, added] = tree.hops.try_emplace({point, link}, 0);
          if (added) hop->second = network_.add_point(point, link, lane);
          point = hop->second;
        }
        points.push_back(point);
      }
      if (!w.delivers) continue;
      if (copies++ == 0) to = index_of(*ends.to, w.tile);
      network_.add_delivery(points.back(), port_at(w.tile));
      tree.ends.push_back(w.tile);
    }
    leg.copies.push_back(copies);
    leg.to.push_back(to);
  }
  return leg;
}

// Tokens that leave a port for several channels go as one multicast as far as their ways are the same, and
// the switches copy them where these part: if the ways begin at the same tiles and end at different ones.
void Engine::build_write_leg(const Fabric& fabric, CycleChannel& c, const std::vector<Route>& routes,
                             const LegEnds& ends) {
  std::vector<RouteTree> own;
  for (const OutputPort& port : section_.units[c.producer].outputs) {
    const auto at = std::find(port.channels.begin(), port.channels.end(), ChannelId(c.number));
    for (auto other = port.channels.begin(); at != port.channels.end() && other != at; ++other) {
      CycleChannel& first = channels_[other->value];
      const Channel& spec = section_.channels[other->value];
      std::vector<RouteTree>& trees = port_trees_[other->value];
      if (first.sent_with || trees.size() != routes.size() || spec.dtype != c.spec->dtype) continue;
      if (!can_join(spec.legs[0], trees, routes)) continue;
      c.write_leg = build_leg(fabric, routes, ends, other->value, trees);
      c.sent_with = other->value;
      first.sent_along.push_back(c.number);
      for (size_t r = 0; r < routes.size(); ++r)
        first.write_leg.copies[r] = static_cast<uint16_t>(first.write_leg.copies[r] + c.write_leg.copies[r]);
      return;
    }
  }
  c.write_leg = build_leg(fabric, routes, ends, c.number, own);
  port_trees_[c.number] = std::move(own);
}

bool Engine::can_join(const std::vector<Route>& first, const std::vector<RouteTree>& trees,
                      const std::vector<Route>& routes) {
  if (routes.empty()) return false;
  for (size_t r = 0; r < routes.size(); ++r) {
    if (first[r].points[0].tile != routes[r].points[0].tile) return false;
    for (const Waypoint& w : routes[r].points) {
      const std::vector<TileId>& ends = trees[r].ends;
      if (w.delivers && std::find(ends.begin(), ends.end(), w.tile) != ends.end()) return false;
    }
  }
  return true;
}

void Engine::build_channel(const Fabric& fabric, size_t number) {
  const ChipSpec& chip = context_.node.chip;
  CycleChannel& c = channels_[number];
  const Channel& spec = section_.channels[number];
  const Unit& producer = section_.units[c.producer];
  const Unit& consumer = section_.units[c.consumer];
  c.spec = &spec;
  c.number = static_cast<uint32_t>(number);
  c.tokens.resize(static_cast<size_t>(spec.capacity_tokens));
  const std::vector<TileId> from = end_tiles(fabric, producer);
  const std::vector<TileId> to = end_tiles(fabric, consumer);
  const Unit* from_agcu = producer.agcus.empty() ? nullptr : &producer;
  const bool to_agcu = !consumer.agcus.empty();
  const auto lane = static_cast<uint32_t>(number);
  std::vector<RouteTree> alone;
  if (spec.pmus > 0) {
    channel_pmus_[number].assign(static_cast<size_t>(spec.pmus), PmuPorts(chip.pmu));
    c.pmus = &channel_pmus_[number];
    build_write_leg(fabric, c, spec.legs[0], {&from, &spec.tiles, from_agcu, false});
    c.read_leg = build_leg(fabric, spec.legs[1], {&spec.tiles, &to, nullptr, to_agcu}, lane, alone);
    c.fifo = consumer.kind == UnitKind::kBuffer || consumer.exchange;
  } else if (producer.kind == UnitKind::kBuffer) {
    c.view = true;
    c.pmus = &unit_pmus_[c.producer];
    for (const OutputPort& port : producer.outputs) {
      if (std::find(port.channels.begin(), port.channels.end(), ChannelId(number)) != port.channels.end())
        c.share = vector_share(section_, producer, port, ChannelId(number), chip.pmu);
    }
    c.read_leg = build_leg(fabric, spec.legs[0], {&from, &to, nullptr, to_agcu}, lane, alone);
  } else {
    build_write_leg(fabric, c, spec.legs[0], {&from, &to, from_agcu, to_agcu});
  }
  c.window = c.pmus == nullptr ? 0 : read_window(fabric, chip.rdn, spec.legs[c.view ? 0 : 1]);
  if (!from.empty() && !to.empty()) c.credit_cycles = 2 + fabric.distance(from[0], to[0]);
  if (c.pmus == nullptr) return;
  const int64_t vectors = ceil_div(spec.token_bytes(), chip.rdn.link_bytes_per_cycle);
  const PmuPorts& pmu = c.pmus->front();
  c.slot_lines = ceil_div(vectors, static_cast<int64_t>(c.pmus->size())) + kBurstVectors;
  const int64_t share = pmu.lines() / spec.capacity_tokens / pmu.lines_per_bank() * pmu.lines_per_bank();
  c.slot_lines = std::max(c.slot_lines, share);
}

Status Engine::build_tiers() {
  const ChipSpec& chip = context_.node.chip;
  for (const Unit& unit : section_.units) {
    if (!unit.stream) continue;
    const Tier t = context_.symbol(unit.stream->argument).tier;
    TierPort& port = tiers_[static_cast<size_t>(t)];
    if (t == Tier::kSram || port.path) continue;
    const auto& device = t == Tier::kHbm ? memories_.hbm : memories_.ddr;
    if (!device) {
      return Error{ErrorCode::kInvalidInput, "cycle fidelity",
                   fmt::format("no device is known for the {} of chip {}", tier_name(t), chip.name),
                   fmt::format("configs/dram/{}-{}.yaml describes it", chip.name, tier_name(t))};
    }
    const double rate = (t == Tier::kHbm ? chip.hbm : chip.ddr).bandwidth_bytes_per_s;
    if (std::abs(device->peak_bytes_per_s() / rate - 1) > 0.01) {
      return Error{ErrorCode::kInvalidInput, "device " + device->name,
                   fmt::format("has a peak of {:.4g} B/s, the chip's {} {:.4g} B/s",
                               device->peak_bytes_per_s(), tier_name(t), rate),
                   "at cycle fidelity the bandwidth is the device's: change its timings or channels"};
    }
    RDU_ASSIGN(port.path, MemoryPath::make(*device, clock_hz(chip), sim::memory_latency_cycles(chip, t)));
    port.bytes_per_cycle = chip.agcu_ports * chip.agcu_port_bytes_per_cycle;
  }
  return {};
}

void Engine::build_units() {
  for (size_t u = 0; u < section_.units.size(); ++u) {
    switch (section_.units[u].kind) {
      case UnitKind::kGemm:
      case UnitKind::kSimd:
        units_.push_back(make_compute_unit(*this, u));
        break;
      case UnitKind::kBuffer:
        units_.push_back(make_buffer_unit(*this, u));
        break;
      case UnitKind::kLoad:
      case UnitKind::kStore: {
        auto unit = std::make_unique<StreamUnit>(*this, u);
        const Tier t = unit->tier();
        if (t != Tier::kSram) tiers_[static_cast<size_t>(t)].streams.push_back(unit.get());
        units_.push_back(std::move(unit));
        break;
      }
      case UnitKind::kSend:
      case UnitKind::kReceive:
        units_.push_back(make_exchange_unit(*this, u));
        break;
    }
  }
  for (size_t s = 0; s < units_.size(); ++s) {
    if (section_.units[s].kind != UnitKind::kSend) continue;
    for (size_t r = 0; r < units_.size(); ++r) {
      const Unit& to = section_.units[r];
      if (to.kind == UnitKind::kReceive && to.exchange->id == section_.units[s].exchange->id)
        join_exchange(*units_[s], *units_[r]);
    }
  }
  for (TierPort& port : tiers_) {
    std::sort(port.streams.begin(), port.streams.end(),
              [](const StreamUnit* a, const StreamUnit* b) { return a->goes_before(*b); });
    port.loops = context_.iterations > 1;
  }
  iteration_ends_.assign(static_cast<size_t>(context_.iterations), 0);
  for (size_t u = 0; u < units_.size(); ++u) {
    for (const size_t first : context_.order_of(u)) units_[first]->tell(static_cast<uint32_t>(u));
  }
}

}  // namespace rdusim::sim::cycle
