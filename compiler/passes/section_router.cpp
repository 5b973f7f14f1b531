#include "compiler/passes/section_router.h"

#include <algorithm>
#include <array>
#include <map>
#include <numeric>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "base/program/route.h"
#include "base/program/topology.h"
#include "compiler/passes/leg_traffic.h"
#include "compiler/passes/link_loads.h"
#include "compiler/passes/link_shares.h"
#include "compiler/passes/ways.h"

namespace rdusim::compiler {
namespace {

// Rounds in which ways are chosen anew, of operands that take more than this part of the time they may take.
// Measured (Llama-3-8B, 1024 tokens, eight sockets): without a round 1.2 % longer, after one as after four;
// parts of 0.5 and 0.7 give the same, 0.9 as no round.
constexpr int kRounds = 2;
constexpr double kHasty = 0.7;
// In which shares and the course of a launch settle: on prompts of 128 tokens of five models six are within
// 1 % of ten, two up to 2 % off.
constexpr int kCourseRounds = 6;
// Of links between switches, bytes a cycle.
std::vector<double> link_rates(const RdnSpec& rdn, const Fabric& fabric) {
  std::vector<double> rates;
  for (int64_t l = 0; l < fabric.link_slots(); ++l)
    rates.push_back(static_cast<double>(fabric.link_bytes_per_cycle(rdn, LinkId(static_cast<size_t>(l)))));
  return rates;
}

class SectionRouter {
 public:
  SectionRouter(Section& section, SectionTraffic& traffic, const Mesh& mesh, std::vector<ChannelEnds> ends)
      : section_(section),
        traffic_(traffic),
        rdn_(mesh.chip.rdn),
        fabric_(mesh.fabric),
        loads_(mesh.fabric, mesh.rates),
        ends_at_(static_cast<size_t>(fabric_.tiles())),
        ways_(section.channels.size()),
        legs_(section, traffic, std::move(ends)),
        shares_(section, traffic, mesh.chip, legs_, ways_, mesh.rates),
        hbm_bytes_per_cycle_(mesh.chip.hbm.achieved_bytes_per_s() / mesh.chip.clock_hz),
        fill_(static_cast<double>(fill_cycles(section, traffic, mesh.chip))) {}

  Status run() {
    loads_.plan(static_cast<double>(traffic_.cycles()) + fill_);
    std::vector<size_t> order(section_.channels.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](size_t a, size_t b) { return legs_.widest(a) > legs_.widest(b); });
    for (const size_t c : order) route_channel(c);
    find_time();
    for (int round = 0; round < kRounds; ++round) {
      reroute(order);
      find_time();
    }
    for (int round = 0; round < kCourseRounds; ++round) shares_.find_course();
    for (size_t c = 0; c < section_.channels.size(); ++c) {
      Channel& channel = section_.channels[c];
      if (channel.links == 0) continue;
      channel.latency_cycles = 0;
      for (const std::vector<Route>& leg : channel.legs) channel.latency_cycles += leg_cycles(leg);
      share(c);
    }
    return {};
  }

 private:
  // Routes that end at a tile, and that begin there.
  struct TileEnds {
    int in = 0;
    int out = 0;
  };
  // Cycles in which the channel's consumer reads all that it reads: while what streams in beside it has the
  // memory for itself, else the launch.
  [[nodiscard]] double pace(size_t c) const {
    double streamed = 0;
    for (const InputPort& port : legs_.consumer(c).inputs) {
      const Unit& from = legs_.producer(port.channel.value);
      if (from.kind == UnitKind::kLoad && !from.stream->gather)
        streamed += static_cast<double>(traffic_.channels[port.channel.value].bytes);
    }
    return streamed > 0 ? streamed / hbm_bytes_per_cycle_ : time_;
  }

  // Ways of operands that would take most of their time are chosen anew, now that the other flows are known.
  void reroute(const std::vector<size_t>& order) {
    for (const size_t c : order) {
      Channel& channel = section_.channels[c];
      const bool view = legs_.is_view(c);
      const size_t leg = view ? 0 : 1;
      if (!legs_.computes(c) || channel.legs[leg].empty() || (leg == 0 && port_load(c) != nullptr)) continue;
      if (static_cast<double>(legs_.bytes(c, leg)) < kHasty * pace(c) * shares_.leg_rate({c, leg})) continue;
      remove_links(c, leg);
      channel.legs[leg].clear();
      route_leg(c, leg, view ? legs_.producer(c).tiles : channel.tiles, legs_.consumer(c).tiles,
                traffic_.channels[c].copies);
    }
  }

  void remove_links(size_t c, size_t leg) {
    const auto routes = static_cast<double>(section_.channels[c].legs[leg].size());
    loads_.remove(ways_[c][leg].links, static_cast<double>(legs_.bytes(c, leg)) / routes,
                  legs_.is_stream(c, leg));
  }

  void route_channel(size_t c) {
    Channel& channel = section_.channels[c];
    for (auto& leg : channel.legs) leg.clear();
    if (channel.links == 0) return;
    std::vector<TileId> from = end_tiles(fabric_, legs_.producer(c));
    std::vector<TileId> to = end_tiles(fabric_, legs_.consumer(c));
    std::vector<TileId> between = channel.tiles;
    const int64_t copies = traffic_.channels[c].copies;
    if (!legs_.producer(c).agcus.empty()) face(from, between.empty() ? to : between);
    if (between.empty()) {
      if (!legs_.consumer(c).agcus.empty()) face(to, from);
      route_leg(c, 0, from, to, copies);
    } else {
      route_leg(c, 0, from, between, 1);
      between = channel.tiles;
      if (!legs_.consumer(c).agcus.empty()) face(to, between);
      route_leg(c, 1, between, to, copies);
    }
  }

  // Puts tiles into the order of AGCU ports that they talk to: those in the west to the ports in the west,
  // and on each side from north to south. Ports stand in that order.
  void face(const std::vector<TileId>& ports, std::vector<TileId>& tiles) const {
    const auto by_row = [&](TileId a, TileId b) { return a < b; };
    std::stable_sort(tiles.begin(), tiles.end(),
                     [&](TileId a, TileId b) { return fabric_.column(a) < fabric_.column(b); });
    const auto west =
        std::count_if(ports.begin(), ports.end(), [&](TileId t) { return fabric_.column(t) == 0; });
    const auto middle = tiles.begin() + static_cast<std::ptrdiff_t>(tiles.size()) * west /
                                            static_cast<std::ptrdiff_t>(ports.size());
    std::sort(tiles.begin(), middle, by_row);
    std::sort(middle, tiles.end(), by_row);
  }

  void route_leg(size_t c, size_t leg, const std::vector<TileId>& from, const std::vector<TileId>& to,
                 int64_t copies) {
    const size_t parts = std::max<size_t>(1, to.size() / static_cast<size_t>(copies));
    const size_t routes_wanted = routes_between(from.size(), parts);
    const double part_bytes = static_cast<double>(legs_.bytes(c, leg)) / static_cast<double>(routes_wanted);
    std::vector<Route>& routes = section_.channels[c].legs[leg];
    routes.reserve(routes_wanted);
    begin_leg(c, leg, part_bytes);
    std::optional<MulticastTo> several;
    size_t known = parts;  // part that they go to
    for (size_t i = 0; i < routes_wanted; ++i) {
      const size_t part = i * parts / routes_wanted;
      const size_t begin = part * to.size() / parts;
      const size_t end = (part + 1) * to.size() / parts;
      const TileId source = from[i * from.size() / routes_wanted];
      if (end - begin == 1) {
        routes.push_back(loads_.plain_way(source, to[begin]));
      } else {
        if (std::exchange(known, part) != part)
          several.emplace(fabric_, std::span<const TileId>(&to[begin], end - begin));
        routes.push_back(loads_.multicast(source, *several));
      }
      visit_links(fabric_, routes.back(), [&](LinkId l) { loads_.own(l); });
    }
    ways_[c][leg] = {loads_.end_leg(part_bytes), local_rate(routes)};
  }

  void begin_leg(size_t c, size_t leg, double part_bytes) {
    const bool stream = legs_.is_stream(c, leg);
    loads_.begin_leg(stream, leg == 0 ? port_load(c) : nullptr);
    if (part_bytes <= 0) return;  // it carries nothing, so it shares nothing
    for (const Leg& fellow : shares_.fellows({c, leg})) {
      const size_t routes = section_.channels[fellow.channel].legs[fellow.leg].size();
      const double theirs = static_cast<double>(legs_.bytes(fellow.channel, fellow.leg));
      const bool counted = stream && legs_.is_stream(fellow.channel, fellow.leg);
      loads_.add_fellow(ways_[fellow.channel][fellow.leg].links, theirs / static_cast<double>(routes),
                        part_bytes, counted);
    }
  }

  // What the ports of tiles where routes begin and end let through, bytes a cycle and route.
  double local_rate(const std::vector<Route>& routes) {
    std::fill(ends_at_.begin(), ends_at_.end(), TileEnds{});
    int most = 1;
    for (const Route& route : routes) {
      most = std::max(most, ++ends_at_[route.points[0].tile.value].out);
      for (const Waypoint& w : route.points) {
        if (w.delivers) most = std::max(most, ++ends_at_[w.tile.value].in);
      }
    }
    return static_cast<double>(rdn_.link_bytes_per_cycle) / most;
  }

  // By link, of the port that the channel leaves; null if it leaves alone.
  [[nodiscard]] std::vector<double>* port_load(size_t c) {
    if (legs_.producer(c).outputs[legs_.ends(c).output_port].channels.size() < 2) return nullptr;
    auto& load = port_loads_[{legs_.producer_index(c), legs_.ends(c).output_port}];
    load.resize(loads_.links(), 0);
    return &load;
  }

  void find_time() {
    const double fullest = loads_.fullest_cycles();
    traffic_.mesh_cycles = static_cast<int64_t>(fullest);
    time_ = std::max(fullest, static_cast<double>(traffic_.cycles())) + fill_;
    shares_.find_flows(time_);
  }

  [[nodiscard]] int64_t leg_cycles(const std::vector<Route>& leg) const {
    int64_t longest = 0;
    for (const Route& route : leg) longest = std::max(longest, route_cycles(fabric_, rdn_, route));
    return longest;
  }

  // What the channel gets of its links, and its consumer of the PMUs' ports.
  void share(size_t c) {
    Channel& channel = section_.channels[c];
    channel.share_permille = channel.read_permille = 1000;
    if (legs_.widest(c) == 0) return;
    const auto full = static_cast<double>(channel.links * rdn_.link_bytes_per_cycle);
    double slowest = full;
    for (size_t leg = 0; leg < channel.legs.size(); ++leg) {
      if (channel.legs[leg].empty()) continue;
      const double rate = shares_.leg_rate({c, leg});
      const int64_t pmus = legs_.is_view(c) ? legs_.producer(c).pmus : channel.pmus;
      if (legs_.reads_operands(c, leg)) {
        traffic_.mesh_cycles = std::max(
            traffic_.mesh_cycles, static_cast<int64_t>(static_cast<double>(legs_.bytes(c, leg)) / rate));
        channel.read_permille = permille(rate / static_cast<double>(pmus * rdn_.link_bytes_per_cycle));
      } else {
        slowest = std::min(slowest, rate);
      }
    }
    channel.share_permille = permille(slowest / full);
  }

  static int64_t permille(double part) {
    return std::clamp<int64_t>(static_cast<int64_t>(part * 1000), 1, 1000);
  }

  Section& section_;
  SectionTraffic& traffic_;
  const RdnSpec& rdn_;
  const Fabric& fabric_;
  LinkLoads loads_;
  std::map<std::pair<size_t, size_t>, std::vector<double>> port_loads_;
  std::vector<TileEnds> ends_at_;  // by tile
  SectionWays ways_;
  LegTraffic legs_;
  LinkShares shares_;
  double hbm_bytes_per_cycle_ = 1;
  double fill_ = 0;  // until the first tokens are through, cycles
  double time_ = 1;  // of a launch, cycles
};

}  // namespace

Mesh::Mesh(const ChipSpec& of) : chip(of), fabric(of), rates(link_rates(of.rdn, fabric)) {}

Status route_section(Section& section, SectionTraffic& traffic, const Mesh& mesh) {
  RDU_ASSIGN(auto ends, channel_ends(section));
  return SectionRouter(section, traffic, mesh, std::move(ends)).run();
}

}  // namespace rdusim::compiler
