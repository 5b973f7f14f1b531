// How a section is laid out in the cycle engine: links, ways, PMUs, memories, units.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "base/arch/fabric.h"
#include "base/check.h"
#include "base/program/route.h"
#include "base/program/topology.h"
#include "sim/cycle/engine.h"
#include "sim/cycle/leg_builder.h"
#include "sim/cycle/mesh.h"
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

int64_t ceil_div(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

// Whether tokens can go along with those that take `first` to the same part of the way, over `trees`.
bool can_join(const std::vector<Route>& first, const std::vector<RouteTree>& trees,
              const std::vector<Route>& routes) {
  if (routes.empty() || trees.size() != routes.size()) return false;
  for (size_t r = 0; r < routes.size(); ++r) {
    if (first[r].points[0].tile != routes[r].points[0].tile) return false;
    for (const Waypoint& w : routes[r].points) {
      const std::vector<TileId>& ends = trees[r].ends;
      if (w.delivers && std::find(ends.begin(), ends.end(), w.tile) != ends.end()) return false;
    }
  }
  return true;
}

// Lines of each PMU from one slot of the channel to the next: at least a token's, and as many whole banks as
// all slots have room for.
int64_t slot_lines(const std::vector<PmuPorts>& pmus, const Channel& spec, int64_t line_bytes) {
  const int64_t vectors = ceil_div(spec.token_bytes(), line_bytes);
  const PmuPorts& pmu = pmus.front();
  const int64_t share = pmu.lines() / spec.capacity_tokens / pmu.lines_per_bank() * pmu.lines_per_bank();
  return std::max(ceil_div(vectors, static_cast<int64_t>(pmus.size())) + kBurstVectors, share);
}

// What passes over a channel's legs in a launch, vectors.
struct Traffic {
  int64_t written = 0;
  int64_t read = 0;  // who computes reads what it holds for every firing
};
Traffic traffic_of(const Channel& spec, const OutputPort& port, const Unit& producer, const Unit& consumer,
                   int64_t line_bytes) {
  const int64_t vectors = ceil_div(spec.token_bytes(), line_bytes);
  const int64_t tokens = active_firings(port.phases, producer.firings);
  const bool computes = consumer.kind == UnitKind::kGemm || consumer.kind == UnitKind::kSimd;
  return {tokens * vectors, (computes ? consumer.firings : tokens) * vectors};
}

// At cycle fidelity a memory is a device, which must be as fast as the chip file says.
Status check_device(const DramSpec* device, const ChipSpec& chip, Tier t) {
  if (device == nullptr) {
    return Error{ErrorCode::kInvalidInput, "cycle fidelity",
                 fmt::format("no device is known for the {} of chip {}", tier_name(t), chip.name),
                 fmt::format("configs/dram/{}-{}.yaml describes it", chip.name, tier_name(t))};
  }
  const double rate = (t == Tier::kHbm ? chip.hbm : chip.ddr).bandwidth_bytes_per_s;
  if (std::abs(device->peak_bytes_per_s() / rate - 1) <= 0.01) return {};
  return Error{ErrorCode::kInvalidInput, "device " + device->name,
               fmt::format("has a peak of {:.4g} B/s, the chip's {} {:.4g} B/s", device->peak_bytes_per_s(),
                           tier_name(t), rate),
               "at cycle fidelity the bandwidth is the device's: change its timings or channels"};
}

}  // namespace

Engine::Engine(const SectionContext& context, const MemoryDevices& memories)
    : context_(context), memories_(memories), network_(wheel_) {}

struct Engine::Layout {
  const Fabric& fabric;
  Mesh mesh;
  std::vector<ChannelEnds> ends;
  std::vector<std::vector<RouteTree>> write_trees;  // by channel; empty: it joined a sibling's
};

Status Engine::build() {
  const ChipSpec& chip = context_.node.chip;
  const Fabric fabric(chip);
  RDU_ASSIGN(section_, placed_section(context_.section, fabric));
  for (const Unit& unit : section_.units) {
    const int64_t pmus = unit.kind == UnitKind::kBuffer ? std::max<int64_t>(1, unit.pmus) : 0;
    unit_pmus_.emplace_back(static_cast<size_t>(pmus), PmuPorts(chip.pmu));
  }
  for (const Channel& channel : section_.channels)
    channel_pmus_.emplace_back(static_cast<size_t>(channel.pmus), PmuPorts(chip.pmu));
  RDU_CHECK_OK(build_channels(fabric));
  RDU_CHECK_OK(build_tiers());
  build_units();
  return {};
}

Status Engine::build_channels(const Fabric& fabric) {
  RDU_ASSIGN(std::vector<ChannelEnds> ends, channel_ends(section_));
  Layout layout{fabric, Mesh(fabric, context_.node.chip.rdn, network_), std::move(ends), {}};
  channels_.resize(section_.channels.size());
  layout.write_trees.resize(channels_.size());
  for (size_t i = 0; i < channels_.size(); ++i) {
    CycleChannel& c = channels_[i];
    c.spec = &section_.channels[i];
    c.number = static_cast<uint32_t>(i);
    c.producer = layout.ends[i].producer->value;
    c.consumer = layout.ends[i].consumer->value;
    c.input = layout.ends[i].input_port;
    c.tokens.resize(static_cast<size_t>(c.spec->capacity_tokens));
    build_channel(layout, c);
  }
  return {};
}

void Engine::build_channel(Layout& layout, CycleChannel& c) {
  const Channel& spec = *c.spec;
  const Unit& producer = section_.units[c.producer];
  const Unit& consumer = section_.units[c.consumer];
  const std::vector<TileId> from = end_tiles(layout.fabric, producer);
  const std::vector<TileId> to = end_tiles(layout.fabric, consumer);
  const OutputPort& port = producer.outputs[layout.ends[c.number].output_port];
  c.view = spec.pmus == 0 && producer.kind == UnitKind::kBuffer;
  if (spec.pmus > 0) c.pmus = &channel_pmus_[c.number];
  if (c.view) c.pmus = &unit_pmus_[c.producer];
  const Traffic traffic = traffic_of(spec, port, producer, consumer, line_bytes());
  const bool to_agcu = !consumer.agcus.empty();
  if (!c.view) {
    const bool direct = c.pmus == nullptr;
    const Unit* from_agcu = producer.agcus.empty() ? nullptr : &producer;
    build_write_leg(
        layout, c,
        {&spec.legs[0], &from, direct ? &to : &spec.tiles, from_agcu, direct && to_agcu, traffic.written});
  }
  if (c.pmus != nullptr) {
    build_read_leg(
        layout, c,
        {&spec.legs[c.view ? 0 : 1], c.view ? &from : &spec.tiles, &to, nullptr, to_agcu, traffic.read});
    c.slot_lines = slot_lines(*c.pmus, spec, line_bytes());
  }
  c.fifo = spec.pmus > 0 && (consumer.kind == UnitKind::kBuffer || consumer.exchange);
  if (c.view) c.share = vector_share(section_, producer, port, ChannelId(c.number), context_.node.chip.pmu);
  if (!from.empty() && !to.empty()) c.credit_cycles = 2 + layout.fabric.distance(from[0], to[0]);
}

void Engine::build_read_leg(Layout& layout, CycleChannel& c, const LegSpec& leg) {
  std::vector<RouteTree> trees;
  c.read_leg = LegBuilder(layout.mesh, leg).build(trees);
  c.window = read_window(layout.fabric, context_.node.chip.rdn, *leg.routes);
}

void Engine::build_write_leg(Layout& layout, CycleChannel& c, const LegSpec& leg) {
  if (!join_sibling(layout, c, leg))
    c.write_leg = LegBuilder(layout.mesh, leg).build(layout.write_trees[c.number]);
}

// Tokens that leave a port for several channels go as one multicast as far as their ways are the same, and
// the switches copy them where these part: if the ways begin at the same tiles and end at different ones.
bool Engine::join_sibling(Layout& layout, CycleChannel& c, const LegSpec& leg) {
  for (const ChannelId id : section_.units[c.producer].outputs[layout.ends[c.number].output_port].channels) {
    if (id.value == c.number) break;  // those behind it are not built yet
    CycleChannel& first = channels_[id.value];
    std::vector<RouteTree>& trees = layout.write_trees[id.value];
    if (first.spec->dtype != c.spec->dtype || !can_join(first.spec->legs[0], trees, *leg.routes)) continue;
    c.write_leg = LegBuilder(layout.mesh, leg).join(trees);
    c.sent_with = id.value;
    first.sent_along.push_back(c.number);
    for (size_t r = 0; r < trees.size(); ++r)
      first.write_leg.copies[r] = static_cast<uint16_t>(first.write_leg.copies[r] + c.write_leg.copies[r]);
    return true;
  }
  return false;
}

Status Engine::build_tiers() {
  const ChipSpec& chip = context_.node.chip;
  for (const Unit& unit : section_.units) {
    if (!unit.stream) continue;
    const Tier t = context_.symbol(unit.stream->argument).tier;
    TierPort& port = tiers_[static_cast<size_t>(t)];
    if (t == Tier::kSram || port.path) continue;
    const auto& device = t == Tier::kHbm ? memories_.hbm : memories_.ddr;
    RDU_CHECK_OK(check_device(device.get(), chip, t));
    RDU_ASSIGN(port.path, MemoryPath::make(*device, clock_hz(chip), sim::memory_latency_cycles(chip, t)));
    port.bytes_per_cycle = chip.agcu_ports * chip.agcu_port_bytes_per_cycle;
  }
  return {};
}

void Engine::build_units() {
  for (size_t u = 0; u < section_.units.size(); ++u) units_.push_back(make_unit(u));
  join_exchanges();
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

std::unique_ptr<CycleUnit> Engine::make_unit(size_t u) {
  switch (section_.units[u].kind) {
    case UnitKind::kGemm:
    case UnitKind::kSimd:
      return make_compute_unit(*this, u);
    case UnitKind::kBuffer:
      return make_buffer_unit(*this, u);
    case UnitKind::kLoad:
    case UnitKind::kStore: {
      auto unit = std::make_unique<StreamUnit>(*this, u);
      const Tier t = unit->tier();
      if (t != Tier::kSram) tiers_[static_cast<size_t>(t)].streams.push_back(unit.get());
      return unit;
    }
    case UnitKind::kSend:
    case UnitKind::kReceive:
      return make_exchange_unit(*this, u);
  }
  RDU_CHECK(false, "unit kind {}", static_cast<int>(section_.units[u].kind));
}

void Engine::join_exchanges() {
  for (size_t s = 0; s < units_.size(); ++s) {
    if (section_.units[s].kind != UnitKind::kSend) continue;
    for (size_t r = 0; r < units_.size(); ++r) {
      const Unit& to = section_.units[r];
      if (to.kind == UnitKind::kReceive && to.exchange->id == section_.units[s].exchange->id)
        join_exchange(*units_[s], *units_[r]);
    }
  }
}

}  // namespace rdusim::sim::cycle
