// route: the way of every token over the mesh, and what follows from it: a channel's latency and the share of
// its links that others leave it.
//
// A leg (producer to PMUs, PMUs to consumer) has a route for each unit of its wider end, each with an equal
// part of every token. A part that several units of the consumer need goes to them as one multicast tree: a
// trunk along a row, and branches up and down the columns. Ways are chosen widest traffic first: plain routes
// among row first, column first and two Z-shaped ways, trees among a few rows for the trunk, the one whose
// slowest link leaves it most. None of these shapes can deadlock (ways.h).
//
// What each flow gets of its links is in link_shares.h. Between a switch and its unit each channel has a port
// of its own (assumed: a Plasticine PCU has three vector inputs).
#include <algorithm>
#include <array>
#include <map>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

#include "base/program/route.h"
#include "base/program/topology.h"
#include "compiler/passes/leg_traffic.h"
#include "compiler/passes/link_shares.h"
#include "compiler/passes/pass.h"
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
  SectionRouter(Section& section, SectionTraffic& traffic, const ChipSpec& chip, const Fabric& fabric,
                std::vector<ChannelEnds> ends)
      : section_(section),
        traffic_(traffic),
        rdn_(chip.rdn),
        fabric_(fabric),
        links_(static_cast<size_t>(fabric.link_slots())),
        own_links_(static_cast<size_t>(fabric.link_slots()), 0),
        fellow_parts_(static_cast<size_t>(fabric.link_slots()), 0),
        fellow_bytes_(static_cast<size_t>(fabric.link_slots()), 0),
        rates_(link_rates(chip.rdn, fabric)),
        legs_(section, traffic, std::move(ends)),
        shares_(section, traffic, chip, fabric, legs_, rates_),
        hbm_bytes_per_cycle_(chip.hbm.achieved_bytes_per_s() / chip.clock_hz),
        fill_(static_cast<double>(fill_cycles(section, traffic, chip))) {}

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
    const std::vector<Route>& routes = section_.channels[c].legs[leg];
    const double part_bytes = static_cast<double>(legs_.bytes(c, leg)) / static_cast<double>(routes.size());
    const bool stream = legs_.is_stream(c, leg);
    for (const Route& route : routes)
      visit_links(fabric_, route, [&](LinkId l) { count(links_[l.value], -part_bytes, stream); });
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
    siblings_ = leg == 0 ? port_load(c) : nullptr;
    const std::vector<Leg> fellows = shares_.fellows({c, leg});
    for (const Leg& fellow : fellows) count_fellow(fellow, part_bytes, stream);
    for (size_t i = 0; i < routes_wanted; ++i) {
      const size_t part = i * parts / routes_wanted;
      const size_t begin = part * to.size() / parts;
      const size_t end = (part + 1) * to.size() / parts;
      const TileId source = from[i * from.size() / routes_wanted];
      routes.push_back(end - begin == 1 ? plain_route(source, to[begin], stream)
                                        : multicast(source, {&to[begin], end - begin}, stream));
      visit_links(fabric_, routes.back(), [&](LinkId l) { own(l); });
    }
    add_links(c, leg, part_bytes, stream);
    disown();
    for (const size_t l : fellow_links_) fellow_parts_[l] = fellow_bytes_[l] = 0;
    fellow_links_.clear();
  }

  // What a fellow reads over its links, beside routes of `part_bytes` each.
  void count_fellow(Leg fellow, double part_bytes, bool stream) {
    const std::vector<Route>& routes = section_.channels[fellow.channel].legs[fellow.leg];
    const auto all = static_cast<double>(legs_.bytes(fellow.channel, fellow.leg));
    if (part_bytes <= 0) return;  // the leg at hand carries nothing, so it shares nothing
    const double part = all / static_cast<double>(routes.size());
    const bool counted = stream && legs_.is_stream(fellow.channel, fellow.leg);
    for (const Route& route : routes) {
      visit_links(fabric_, route, [&](LinkId l) {
        if (fellow_parts_[l.value] == 0) fellow_links_.push_back(l.value);
        fellow_parts_[l.value] += part / part_bytes;
        fellow_bytes_[l.value] += counted ? 0 : part;
      });
    }
  }

  // --- ways

  Route plain_route(TileId from, TileId to, bool stream) {
    const int64_t column = fabric_.column(to);
    const int64_t east = column - fabric_.column(from);
    if (east <= 0 || fabric_.row(to) == fabric_.row(from)) return way_by_column(fabric_, from, to, column);
    int64_t best = column;
    double fastest = -1;
    for (const int64_t turn : {column, fabric_.column(from), fabric_.column(from) + east / 3,
                               fabric_.column(from) + 2 * east / 3}) {
      const TileId first = fabric_.tile(fabric_.row(from), turn);
      const TileId second = fabric_.tile(fabric_.row(to), turn);
      double slowest = 1;
      slow_down(from, first, stream, slowest);
      slow_down(first, second, stream, slowest);
      slow_down(second, to, stream, slowest);
      if (slowest > fastest) fastest = slowest, best = turn;
    }
    return way_by_column(fabric_, from, to, best);
  }

  // Takes the links of a straight way into account.
  void slow_down(TileId at, TileId to, bool stream, double& slowest) const {
    if (at == to) return;
    const Heading heading = *fabric_.straight(at, to);
    for (; at != to; at = fabric_.step(at, heading))
      slowest = std::min(slowest, free_part(fabric_.link(at, heading), stream));
  }

  // With its trunk along the source's row, if that is free enough; else along the one of a few rows that
  // leaves the slowest link most.
  Route multicast(TileId from, std::span<const TileId> to, bool stream) {
    rows_.clear();
    for (const TileId t : to) rows_.push_back(fabric_.row(t));
    std::sort(rows_.begin(), rows_.end());
    Route best;
    double fastest = -1;
    for (const int64_t row : {fabric_.row(from), rows_[rows_.size() / 2], rows_.front(), rows_.back()}) {
      Route route = multicast_way(fabric_, from, to, row);
      double slowest = 1;
      visit_links(fabric_, route, [&](LinkId l) { slowest = std::min(slowest, free_part(l, stream)); });
      if (slowest > fastest) fastest = slowest, best = std::move(route);
      if (fastest >= kFreeEnough) break;
    }
    return best;
  }

  // Of a link's rate, what one more route of the leg at hand would get.
  [[nodiscard]] double free_part(LinkId l, bool stream) const {
    const Load& load = links_[l.value];
    const double with_it = siblings_ == nullptr ? 0 : (*siblings_)[l.value];
    const double counted = (stream ? load.streams : with_it) + fellow_bytes_[l.value];
    const double others = (load.all - counted) / (rates_[l.value] * planned_);
    constexpr double kLeast = 0.01;  // so that even full links have an order
    return std::max(kLeast, 1 - others) / (1 + own_links_[l.value] + fellow_parts_[l.value]);
  }

  // --- loads

  void own(LinkId l) {
    if (own_links_[l.value]++ == 0) touched_.push_back(l.value);
  }
  void disown() {
    for (const size_t l : touched_) own_links_[l] = 0;
    touched_.clear();
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
  std::vector<Load> links_;
  std::map<std::pair<size_t, size_t>, std::vector<double>> port_loads_;
  std::vector<double>* siblings_ = nullptr;  // of the leg at hand: what its port carries already, by link
  std::vector<int> own_links_;               // routes of the leg at hand
  std::vector<size_t> touched_;              // links that it has
  std::vector<double> fellow_parts_;         // what its fellows read over each link, in routes of its own
  std::vector<double> fellow_bytes_;         // and bytes
  std::vector<size_t> fellow_links_;
  std::vector<int64_t> rows_;        // of a multicast's destinations
  const std::vector<double> rates_;  // of links between switches, bytes a cycle
  LegTraffic legs_;
  LinkShares shares_;
  double hbm_bytes_per_cycle_ = 1;
  double fill_ = 0;     // until the first tokens are through, cycles
  double planned_ = 1;  // a launch as the stages and the memory have it, cycles
  double time_ = 1;     // of a launch, cycles
};

}  // namespace

Status route(Compilation& compilation) {
  const ChipSpec& chip = *compilation.chip;
  const Fabric fabric(chip);
  for (size_t s = 0; s < compilation.program.sections.size(); ++s) {
    Section& section = compilation.program.sections[s];
    RDU_ASSIGN(auto ends, channel_ends(section));
    RDU_CHECK_OK(SectionRouter(section, compilation.traffic[s], chip, fabric, std::move(ends)).run());
  }
  return {};
}

}  // namespace rdusim::compiler
