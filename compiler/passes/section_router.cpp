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
// A trunk is taken without a look at others if its slowest link leaves it this part. Measured there: 0.5 to
// 0.9 within 0.5 %.
constexpr double kFreeEnough = 0.7;

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
        rates_(mesh.rates),
        links_(rates_.size()),
        shown_(rates_.size()),
        own_links_(rates_.size(), 0),
        fellow_parts_(rates_.size(), 0),
        fellow_bytes_(rates_.size(), 0),
        ends_at_(static_cast<size_t>(fabric_.tiles())),
        ways_(section.channels.size()),
        legs_(section, traffic, std::move(ends)),
        shares_(section, traffic, mesh.chip, legs_, ways_, rates_),
        hbm_bytes_per_cycle_(mesh.chip.hbm.achieved_bytes_per_s() / mesh.chip.clock_hz),
        fill_(static_cast<double>(fill_cycles(section, traffic, mesh.chip))) {}

  Status run() {
    planned_ = static_cast<double>(traffic_.cycles()) + fill_;
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
  // A link as the leg with this number sees it.
  struct Shown {
    uint64_t leg = 0;
    double besides = 1;
    double free = 1;
  };
  // Bytes over a resource in a launch.
  struct Load {
    double all = 0;
    double streams = 0;  // of them by streams of the memory
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
    const size_t routes = section_.channels[c].legs[leg].size();
    const double part_bytes = static_cast<double>(legs_.bytes(c, leg)) / static_cast<double>(routes);
    const bool stream = legs_.is_stream(c, leg);
    for (const LegWays::OwnLink& own : ways_[c][leg].links)
      count(links_[own.link], -own.routes * part_bytes, stream);
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
    const bool stream = legs_.is_stream(c, leg);
    begin_leg(c, leg, part_bytes, stream);
    std::optional<MulticastTo> several;
    size_t known = parts;  // part that they go to
    for (size_t i = 0; i < routes_wanted; ++i) {
      const size_t part = i * parts / routes_wanted;
      const size_t begin = part * to.size() / parts;
      const size_t end = (part + 1) * to.size() / parts;
      const TileId source = from[i * from.size() / routes_wanted];
      if (end - begin == 1) {
        routes.push_back(plain_route(source, to[begin]));
      } else {
        if (std::exchange(known, part) != part)
          several.emplace(fabric_, std::span<const TileId>(&to[begin], end - begin));
        routes.push_back(multicast(source, *several));
      }
      visit_links(fabric_, routes.back(), [&](LinkId l) { own(l); });
    }
    add_links(c, leg, part_bytes, stream);
    end_leg(c, leg);
  }

  void begin_leg(size_t c, size_t leg, double part_bytes, bool stream) {
    stream_ = stream;
    siblings_ = leg == 0 ? port_load(c) : nullptr;
    for (const Leg& fellow : shares_.fellows({c, leg})) count_fellow(fellow, part_bytes, stream);
    ++leg_;
  }

  // Notes the links of the leg at hand.
  void end_leg(size_t c, size_t leg) {
    LegWays& ways = ways_[c][leg];
    ways.links.clear();
    for (const size_t l : touched_)
      ways.links.push_back({static_cast<uint32_t>(l), std::exchange(own_links_[l], 0)});
    touched_.clear();
    ways.local_rate = local_rate(section_.channels[c].legs[leg]);
    for (const size_t l : fellow_links_) fellow_parts_[l] = fellow_bytes_[l] = 0;
    fellow_links_.clear();
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

  // What a fellow reads over its links, beside routes of `part_bytes` each.
  void count_fellow(Leg fellow, double part_bytes, bool stream) {
    const size_t routes = section_.channels[fellow.channel].legs[fellow.leg].size();
    const auto all = static_cast<double>(legs_.bytes(fellow.channel, fellow.leg));
    if (part_bytes <= 0) return;  // the leg at hand carries nothing, so it shares nothing
    const bool counted = stream && legs_.is_stream(fellow.channel, fellow.leg);
    for (const LegWays::OwnLink& theirs : ways_[fellow.channel][fellow.leg].links) {
      const double bytes = theirs.routes * all / static_cast<double>(routes);
      if (fellow_parts_[theirs.link] == 0) fellow_links_.push_back(theirs.link);
      fellow_parts_[theirs.link] += bytes / part_bytes;
      fellow_bytes_[theirs.link] += counted ? 0 : bytes;
    }
  }

  // --- ways

  Route plain_route(TileId from, TileId to) {
    const int64_t column = fabric_.column(to);
    const int64_t east = column - fabric_.column(from);
    if (east <= 0 || fabric_.row(to) == fabric_.row(from)) return way_by_column(fabric_, from, to, column);
    int64_t best = column;
    double fastest = -1;
    for (const int64_t turn : {column, fabric_.column(from), fabric_.column(from) + east / 3,
                               fabric_.column(from) + 2 * east / 3}) {
      const TileId first = fabric_.tile(fabric_.row(from), turn);
      const TileId second = fabric_.tile(fabric_.row(to), turn);
      const double slowest =
          std::min({least_free(from, first), least_free(first, second), least_free(second, to)});
      if (slowest > fastest) fastest = slowest, best = turn;
    }
    return way_by_column(fabric_, from, to, best);
  }

  // What the fullest link of a straight way has free.
  [[nodiscard]] double least_free(TileId at, TileId to) {
    if (at == to) return 1;
    return least_free(at, *fabric_.straight(at, to), fabric_.distance(at, to));
  }
  [[nodiscard]] double least_free(TileId at, Heading heading, int64_t hops) {
    double least = 1;
    for (; hops > 0; --hops, at = fabric_.step(at, heading))
      least = std::min(least, free_part(fabric_.link(at, heading)));
    return least;
  }

  // With its trunk along the source's row, if that is free enough; else along the one of a few rows that
  // leaves the slowest link most.
  Route multicast(TileId from, const MulticastTo& to) {
    int64_t best = fabric_.row(from);
    double fastest = -1;
    for (const int64_t row : {best, to.middle_row(), to.first_row(), to.last_row()}) {
      double slowest = 1;
      to.visit_stretches(from, row, [&](TileId at, Heading heading, int64_t hops) {
        slowest = std::min(slowest, least_free(at, heading, hops));
        return slowest > fastest;
      });
      if (slowest > fastest) fastest = slowest, best = row;
      if (fastest >= kFreeEnough) break;
    }
    return to.way(from, best);
  }

  // Of a link's rate, what one more route of the leg at hand would get. Asked for again and again while
  // little changes, so it is kept.
  [[nodiscard]] double free_part(LinkId l) {
    Shown& shown = shown_[l.value];
    if (shown.leg != leg_) {
      shown.leg = leg_;
      shown.besides = besides(l);
      find_free(l);
    }
    return shown.free;
  }
  void find_free(LinkId l) {
    shown_[l.value].free = shown_[l.value].besides / (1 + own_links_[l.value] + fellow_parts_[l.value]);
  }
  // What others leave it.
  [[nodiscard]] double besides(LinkId l) const {
    const Load& load = links_[l.value];
    const double with_it = siblings_ == nullptr ? 0 : (*siblings_)[l.value];
    const double counted = (stream_ ? load.streams : with_it) + fellow_bytes_[l.value];
    const double others = (load.all - counted) / (rates_[l.value] * planned_);
    constexpr double kLeast = 0.01;  // so that even full links have an order
    return std::max(kLeast, 1 - others);
  }

  // --- loads

  void own(LinkId l) {
    if (own_links_[l.value]++ == 0) touched_.push_back(l.value);
    if (shown_[l.value].leg == leg_) find_free(l);
  }

  static void count(Load& load, double bytes, bool stream) {
    load.all += bytes;
    if (stream) load.streams += bytes;
  }

  // Channels of one port carry the same tokens: over a link that several of them take, a token goes once.
  void add_links(size_t c, size_t leg, double part_bytes, bool stream) {
    std::vector<double>* carried = leg == 0 ? port_load(c) : nullptr;
    for (const size_t l : touched_) {
      double bytes = own_links_[l] * part_bytes;
      if (carried != nullptr) {
        const double before = (*carried)[l];
        (*carried)[l] = std::max(before, bytes);
        bytes = std::max(0.0, bytes - before);
      }
      count(links_[l], bytes, stream);
    }
  }

  // By link, of the port that the channel leaves; null if it leaves alone.
  [[nodiscard]] std::vector<double>* port_load(size_t c) {
    if (legs_.producer(c).outputs[legs_.ends(c).output_port].channels.size() < 2) return nullptr;
    auto& load = port_loads_[{legs_.producer_index(c), legs_.ends(c).output_port}];
    load.resize(links_.size(), 0);
    return &load;
  }

  [[nodiscard]] double cycles(LinkId l) const { return links_[l.value].all / rates_[l.value]; }

  void find_time() {
    double fullest = 0;
    for (size_t l = 0; l < links_.size(); ++l) {
      if (links_[l].all > 0) fullest = std::max(fullest, cycles(LinkId(l)));
    }
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
  const std::vector<double>& rates_;  // of links between switches, bytes a cycle
  std::vector<Load> links_;
  std::map<std::pair<size_t, size_t>, std::vector<double>> port_loads_;
  // Of the leg at hand:
  uint64_t leg_ = 0;  // its number
  bool stream_ = false;
  std::vector<double>* siblings_ = nullptr;  // what its port carries already, by link
  std::vector<Shown> shown_;                 // by link
  std::vector<int> own_links_;               // routes of it, by link
  std::vector<size_t> touched_;              // links that it has
  std::vector<double> fellow_parts_;         // what its fellows read over each link, in routes of its own
  std::vector<double> fellow_bytes_;         // and bytes
  std::vector<size_t> fellow_links_;
  std::vector<TileEnds> ends_at_;  // by tile
  SectionWays ways_;
  LegTraffic legs_;
  LinkShares shares_;
  double hbm_bytes_per_cycle_ = 1;
  double fill_ = 0;     // until the first tokens are through, cycles
  double planned_ = 1;  // a launch as the stages and the memory have it, cycles
  double time_ = 1;     // of a launch, cycles
};

}  // namespace

Mesh::Mesh(const ChipSpec& of) : chip(of), fabric(of), rates(link_rates(of.rdn, fabric)) {}

Status route_section(Section& section, SectionTraffic& traffic, const Mesh& mesh) {
  RDU_ASSIGN(auto ends, channel_ends(section));
  return SectionRouter(section, traffic, mesh, std::move(ends)).run();
}

}  // namespace rdusim::compiler
