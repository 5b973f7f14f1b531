#include "compiler/passes/link_shares.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace rdusim::compiler {

namespace {

// Output ports of a unit are numbered below this (component.h and stamp_unit.h hold them in 32 bits).
constexpr size_t kMostPorts = 32;

}  // namespace

LinkShares::LinkShares(const Section& section, const SectionTraffic& traffic, const ChipSpec& chip,
                       const Fabric& fabric, const LegTraffic& legs, const std::vector<double>& rates)
    : section_(section),
      traffic_(traffic),
      rdn_(chip.rdn),
      fabric_(fabric),
      legs_(legs),
      rates_(rates),
      hbm_bytes_per_cycle_(chip.hbm.achieved_bytes_per_s() / chip.clock_hz),
      passing_(rates.size()),
      read_rates_(section.channels.size(), 0),
      own_links_(rates.size(), 0) {
  find_depths();
  find_turns();
}

void LinkShares::find_depths() {
  depth_.assign(section_.units.size(), 0);
  for (size_t u = 0; u < section_.units.size(); ++u) {  // in order of creation: producers first
    for (const InputPort& port : section_.units[u].inputs) {
      const size_t c = port.channel.value;
      depth_[u] = std::max(depth_[u], depth_[legs_.producer_index(c)] + (legs_.computes(c) ? 1 : 0));
    }
  }
}

// The memory takes what does not come with the rows, weights above all, one load after the other, by
// priority.
void LinkShares::find_turns() {
  turns_.assign(section_.units.size(), {});
  std::vector<size_t> loads;
  for (size_t u = 0; u < section_.units.size(); ++u) {
    const Unit& unit = section_.units[u];
    if (unit.kind != UnitKind::kLoad || unit.stream->gather) continue;
    if (section_.arguments[unit.stream->argument.value].cause != Cause::kActivations) loads.push_back(u);
  }
  std::stable_sort(loads.begin(), loads.end(), [&](size_t a, size_t b) {
    return section_.units[a].stream->priority < section_.units[b].stream->priority;
  });
  double at = 0;
  for (const size_t u : loads) {
    const size_t c = section_.units[u].outputs[0].channels[0].value;
    const double cycles = static_cast<double>(traffic_.channels[c].bytes) / hbm_bytes_per_cycle_;
    turns_[u] = {at, at + cycles};
    at += cycles;
  }
}

// ---------------------------------------------------------------------------------------------- fellows

std::vector<Leg> LinkShares::fellows(Leg leg) const {
  std::vector<Leg> found;
  if (!legs_.reads_operands(leg.channel, leg.leg)) return found;
  for (const size_t unit : in_step(legs_.consumer_index(leg.channel))) {
    for (const InputPort& port : section_.units[unit].inputs) {
      const Leg other{port.channel.value, legs_.read_leg(port.channel.value)};
      if (other == leg || !legs_.reads_operands(other.channel, other.leg)) continue;
      if (!section_.channels[other.channel].legs[other.leg].empty()) found.push_back(other);
    }
  }
  return found;
}

// The unit, and those that fire when it does.
std::vector<size_t> LinkShares::in_step(size_t unit) const {
  std::vector<size_t> units{unit};
  if (legs_.streams_in(unit)) return units;
  for (const InputPort& port : section_.units[unit].inputs) {
    const ChannelEnds& ends = legs_.ends(port.channel.value);
    for (const ChannelId id : legs_.producer(port.channel.value).outputs[ends.output_port].channels) {
      const size_t other = legs_.consumer_index(id.value);
      const bool known = std::find(units.begin(), units.end(), other) != units.end();
      const bool in_step = depth_[other] == depth_[unit] && legs_.computes(id.value);
      if (!known && in_step && !legs_.streams_in(other)) units.push_back(other);
    }
  }
  return units;
}

// ---------------------------------------------------------------------------------------------- flows

void LinkShares::find_flows(double launch_cycles) {
  launch_cycles_ = launch_cycles;
  flows_.clear();
  stream_cycles_.clear();
  for (auto& passing : passing_) passing.clear();
  flow_of_.assign(section_.channels.size(), {});
  for (size_t c = 0; c < section_.channels.size(); ++c) {
    for (size_t leg = 0; leg < section_.channels[c].legs.size(); ++leg) {
      if (!section_.channels[c].legs[leg].empty()) add_flow({c, leg});
    }
  }
  // What is likely the slowest link comes first, so that few others need a look.
  const auto emptier = [&](const OwnLink& a, const OwnLink& b) {
    return passing_[a.link].size() * static_cast<size_t>(a.routes) <
           passing_[b.link].size() * static_cast<size_t>(b.routes);
  };
  for (Flow& flow : flows_) {
    if (flow.links.empty()) continue;
    std::iter_swap(flow.links.begin(), std::max_element(flow.links.begin(), flow.links.end(), emptier));
  }
  find_times();
}

void LinkShares::add_flow(Leg leg) {
  const std::vector<Route>& routes = section_.channels[leg.channel].legs[leg.leg];
  const size_t number = flows_.size();
  flow_of_[leg.channel].resize(section_.channels[leg.channel].legs.size(), SIZE_MAX);
  flow_of_[leg.channel][leg.leg] = number;
  Flow& flow = flows_.emplace_back();
  flow.leg = leg;
  flow.stream = legs_.is_stream(leg.channel, leg.leg);
  flow.local_rate = local_rate(routes);
  if (leg.leg == 0 && !legs_.is_view(leg.channel))
    flow.port = legs_.producer_index(leg.channel) * kMostPorts + legs_.ends(leg.channel).output_port;
  flow.links = links_of(routes);
  const double part =
      static_cast<double>(legs_.bytes(leg.channel, leg.leg)) / static_cast<double>(routes.size());
  for (const OwnLink& own : flow.links) {
    double bytes = own.routes * part;
    for (const Passing& p : passing_[own.link]) {
      if (together(flows_[p.flow], flow)) bytes -= p.bytes;
    }
    if (bytes > 0) passing_[own.link].push_back({number, bytes});
  }
}

void LinkShares::find_course() {
  std::vector<double> rates(read_rates_.size(), 0);
  for (size_t c = 0; c < rates.size(); ++c) {
    const size_t leg = legs_.read_leg(c);
    if (!legs_.reads_operands(c, leg) || legs_.bytes(c, leg) == 0) continue;
    if (!section_.channels[c].legs[leg].empty()) rates[c] = leg_rate({c, leg});
  }
  std::vector<double> stream_cycles(flows_.size(), 0);
  for (size_t f = 0; f < flows_.size(); ++f) {
    const Leg leg = flows_[f].leg;
    if (flows_[f].in_turn)
      stream_cycles[f] = static_cast<double>(legs_.bytes(leg.channel, leg.leg)) / leg_rate(leg);
  }
  // Each answers the other, and overshoots: half of the way settles.
  for (size_t c = 0; c < rates.size(); ++c) {
    if (read_rates_[c] > 0) rates[c] = (rates[c] + read_rates_[c]) / 2;
  }
  for (size_t f = 0; f < stream_cycles_.size(); ++f)
    stream_cycles[f] = (stream_cycles[f] + stream_cycles_[f]) / 2;
  read_rates_ = std::move(rates);
  stream_cycles_ = std::move(stream_cycles);
  find_times();
}

// Firings take as long as their passes and as their operands' ways, as far as these are known.
void LinkShares::find_times() {
  const size_t units = section_.units.size();
  std::vector<double> begin(units, 0);
  std::vector<double> done(units, 0);  // the first firing
  std::vector<double> busy(units, 0);
  double longest = 0;
  for (size_t u = 0; u < units; ++u) {
    const Unit& unit = section_.units[u];
    busy[u] = static_cast<double>(traffic_.unit_cycles[u]);
    for (const InputPort& port : unit.inputs) {
      begin[u] = std::max(begin[u], done[legs_.producer_index(port.channel.value)]);
      busy[u] = std::max(busy[u], pass_cycles(port.channel.value));
    }
    done[u] = begin[u] + busy[u] / static_cast<double>(std::max<int64_t>(1, unit.firings));
    longest = std::max(longest, done[u]);
  }
  double end = launch_cycles_;
  for (size_t u = 0; u < units; ++u) end = std::max(end, begin[u] + busy[u] + longest - done[u]);
  for (size_t f = 0; f < flows_.size(); ++f) {
    Flow& flow = flows_[f];
    const size_t channel = flow.leg.channel;
    const size_t producer = legs_.producer_index(channel);
    const Turn& turn = turns_[producer];
    const bool reads = legs_.reads_operands(channel, flow.leg.leg);
    const bool load = section_.units[producer].kind == UnitKind::kLoad;
    const size_t unit = reads || load ? legs_.consumer_index(channel) : producer;
    flow.in_turn = flow.stream && turn.end > 0;
    flow.gathers = load && section_.units[producer].stream->gather;
    flow.begin = flow.in_turn ? turn.begin : begin[unit];
    flow.end = std::max(flow.begin + 1, flow.in_turn ? turn.end : end - (longest - done[unit]));
    if (flow.in_turn && !stream_cycles_.empty())
      flow.end = std::max(flow.end, flow.begin + stream_cycles_[f]);
  }
}

// Cycles in which the consumer can read what it reads of the channel in a launch: over its way, or, before
// that is known, through the ports of PMUs and PCUs.
double LinkShares::pass_cycles(size_t channel) const {
  const size_t leg = legs_.read_leg(channel);
  if (!legs_.reads_operands(channel, leg)) return 0;
  const auto all = static_cast<double>(legs_.bytes(channel, leg));
  if (read_rates_[channel] > 0) return all / read_rates_[channel];
  const int64_t pcus = legs_.consumer(channel).pcus;
  const int64_t parts = std::max<int64_t>(1, pcus / traffic_.channels[channel].copies);
  return all / static_cast<double>(std::min(legs_.pmus(channel), parts) * rdn_.link_bytes_per_cycle);
}

// ---------------------------------------------------------------------------------------------- rates

// What a link leaves to the leg's own routes of `part` bytes each, bytes a cycle and route, while the leg is
// under way; where it is `enough` or more, no less than that. Fellows read beside it, as much as it does if
// they have that much.
double LinkShares::left(const OwnLink& own, double part, size_t number, double enough) {
  const Flow& flow = flows_[number];
  double parties = 1;
  double all_wanted = 0;
  wanted_.clear();
  for (const Passing& p : passing_[own.link]) {
    const Flow& other = flows_[p.flow];
    if (p.flow == number || together(flow, other)) continue;
    if (beside_[p.flow]) {
      parties += std::min(1.0, p.bytes / (part * own.routes));
      continue;
    }
    if (flow.stream && other.stream && (flow.gathers || other.gathers)) continue;
    const double both = std::min(flow.end, other.end) - std::max(flow.begin, other.begin);
    if (both <= 0) continue;
    wanted_.push_back(p.bytes * both / other.cycles());
    all_wanted += wanted_.back();
  }
  double rest = rates_[own.link] * flow.cycles();  // bytes that pass in that time
  auto others = static_cast<double>(wanted_.size());
  const double bytes_enough = enough * flow.cycles() * own.routes;
  // If the others get all they want, or as much as it, it gets no less than either.
  if ((rest - all_wanted) / parties >= bytes_enough || rest / (others + parties) >= bytes_enough)
    return enough;
  std::sort(wanted_.begin(), wanted_.end());
  for (const double bytes : wanted_) {
    if (bytes * (others + parties) >= rest) break;
    rest -= bytes;
    --others;
  }
  return rest / (others + parties) / flow.cycles() / own.routes;
}

// The slowest route sets the rate, since a token is whole when its last part is there.
double LinkShares::leg_rate(Leg leg) {
  const std::vector<size_t>& known = flow_of_[leg.channel];
  RDU_CHECK(leg.leg < known.size() && known[leg.leg] < flows_.size(), "channel {} has no flow over leg {}",
            leg.channel, leg.leg);
  const size_t number = known[leg.leg];
  const Flow& flow = flows_[number];
  beside_.assign(flows_.size(), false);
  for (const Leg& fellow : fellows(leg)) {
    const std::vector<size_t>& theirs = flow_of_[fellow.channel];
    if (fellow.leg < theirs.size() && theirs[fellow.leg] < flows_.size()) beside_[theirs[fellow.leg]] = true;
  }
  const size_t routes = section_.channels[leg.channel].legs[leg.leg].size();
  const double bytes = std::max(1.0, static_cast<double>(legs_.bytes(leg.channel, leg.leg)));
  const double part = bytes / static_cast<double>(routes);
  double slowest = flow.local_rate;
  for (const OwnLink& own : flow.links) {
    // As much as the others at least.
    const auto parties = static_cast<double>(passing_[own.link].size() + 1);
    if (rates_[own.link] >= slowest * parties * own.routes) continue;
    slowest = std::min(slowest, left(own, part, number, slowest));
  }
  return slowest * static_cast<double>(routes);
}

// What the ports of tiles where routes begin and end let through, bytes a cycle and route.
double LinkShares::local_rate(const std::vector<Route>& routes) {
  own_in_.assign(static_cast<size_t>(fabric_.tiles()), 0);
  own_out_.assign(static_cast<size_t>(fabric_.tiles()), 0);
  int most = 1;
  for (const Route& route : routes) {
    most = std::max(most, ++own_out_[route.points[0].tile.value]);
    for (const Waypoint& w : route.points) {
      if (w.delivers) most = std::max(most, ++own_in_[w.tile.value]);
    }
  }
  return static_cast<double>(rdn_.link_bytes_per_cycle) / most;
}

// In the order in which the routes come to them.
std::vector<LinkShares::OwnLink> LinkShares::links_of(const std::vector<Route>& routes) {
  touched_.clear();
  for (const Route& route : routes) {
    visit_links(fabric_, route, [&](LinkId l) {
      if (own_links_[l.value]++ == 0) touched_.push_back(l.value);
    });
  }
  std::vector<OwnLink> links;
  links.reserve(touched_.size());
  for (const size_t l : touched_) links.push_back({l, std::exchange(own_links_[l], 0)});
  return links;
}

}  // namespace rdusim::compiler
