#include "compiler/passes/link_shares.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "base/check.h"

namespace rdusim::compiler {

namespace {

// Output ports of a unit are numbered below this (component.h and stamp_unit.h hold them in 32 bits).
constexpr size_t kMostPorts = 32;

// In place of a part: reads that begin together with those of the leg at hand.
constexpr double kBeside = -1;

}  // namespace

LinkShares::LinkShares(const Section& section, const SectionTraffic& traffic, const ChipSpec& chip,
                       const LegTraffic& legs, const SectionWays& ways, const std::vector<double>& rates)
    : section_(section),
      traffic_(traffic),
      rdn_(chip.rdn),
      legs_(legs),
      ways_(ways),
      rates_(rates),
      hbm_bytes_per_cycle_(chip.hbm.achieved_bytes_per_s() / chip.clock_hz),
      read_rates_(section.channels.size(), 0) {
  find_depths();
  find_turns();
  find_fellows();
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

void LinkShares::find_fellows() {
  fellows_.resize(section_.channels.size());
  for (size_t c = 0; c < fellows_.size(); ++c) {
    if (!legs_.reads_operands(c, legs_.read_leg(c))) continue;
    for (const size_t unit : in_step(legs_.consumer_index(c))) {
      for (const InputPort& port : section_.units[unit].inputs) {
        const size_t other = port.channel.value;
        const size_t leg = legs_.read_leg(other);
        if (other != c && legs_.reads_operands(other, leg)) fellows_[c].push_back({other, leg});
      }
    }
  }
}

std::vector<Leg> LinkShares::fellows(Leg leg) const {
  std::vector<Leg> found;
  if (!legs_.reads_operands(leg.channel, leg.leg)) return found;
  for (const Leg& other : fellows_[leg.channel]) {
    if (!section_.channels[other.channel].legs[other.leg].empty()) found.push_back(other);
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
  flow_of_.assign(section_.channels.size(), {});
  for (size_t c = 0; c < section_.channels.size(); ++c) {
    for (size_t leg = 0; leg < section_.channels[c].legs.size(); ++leg) {
      if (!section_.channels[c].legs[leg].empty()) add_flow({c, leg});
    }
  }
  find_passing();
  find_times();
}

void LinkShares::add_flow(Leg leg) {
  flow_of_[leg.channel].resize(section_.channels[leg.channel].legs.size(), SIZE_MAX);
  flow_of_[leg.channel][leg.leg] = flows_.size();
  Flow& flow = flows_.emplace_back();
  flow.leg = leg;
  flow.stream = legs_.is_stream(leg.channel, leg.leg);
  const size_t port = legs_.ends(leg.channel).output_port;
  const bool several = legs_.producer(leg.channel).outputs[port].channels.size() > 1;
  if (leg.leg == 0 && !legs_.is_view(leg.channel) && several)
    flow.port = legs_.producer_index(leg.channel) * kMostPorts + port;
}

// What passes each link, flow after flow.
void LinkShares::find_passing() {
  passing_begin_.assign(rates_.size() + 1, 0);
  for (const Flow& flow : flows_) {
    for (const LegWays::OwnLink& own : ways(flow).links) ++passing_begin_[own.link + 1];
  }
  std::partial_sum(passing_begin_.begin(), passing_begin_.end(), passing_begin_.begin());
  passing_.resize(passing_begin_.back());
  passing_end_.assign(passing_begin_.begin(), passing_begin_.end() - 1);
  for (size_t f = 0; f < flows_.size(); ++f) {
    const Flow& flow = flows_[f];
    const auto routes = static_cast<double>(section_.channels[flow.leg.channel].legs[flow.leg.leg].size());
    const double part = static_cast<double>(legs_.bytes(flow.leg.channel, flow.leg.leg)) / routes;
    for (const LegWays::OwnLink& own : ways(flow).links) {
      double bytes = own.routes * part;
      if (flow.port) {
        for (const Passing& p : passing(own.link)) bytes -= together(flows_[p.flow], flow) ? p.bytes : 0;
      }
      if (bytes > 0) passing_[passing_end_[own.link]++] = {f, bytes};
    }
  }
  // Looked at first, so that few others need a look.
  for (Flow& flow : flows_) {
    const std::vector<LegWays::OwnLink>& links = ways(flow).links;
    const auto emptier = [&](const LegWays::OwnLink& a, const LegWays::OwnLink& b) {
      return passing(a.link).size() * static_cast<size_t>(a.routes) <
             passing(b.link).size() * static_cast<size_t>(b.routes);
    };
    flow.slow_link =
        static_cast<size_t>(std::max_element(links.begin(), links.end(), emptier) - links.begin());
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

// The part of each flow that falls within the time of flow `number`, so that it counts on their links.
void LinkShares::meet(size_t number) {
  const Flow& flow = flows_[number];
  met_.assign(flows_.size(), 0);
  for (size_t f = 0; f < flows_.size(); ++f) {
    const Flow& other = flows_[f];
    const double both = std::min(flow.end, other.end) - std::max(flow.begin, other.begin);
    if (both <= 0 || together(flow, other)) continue;
    if (flow.stream && other.stream && (flow.gathers || other.gathers)) continue;
    met_[f] = both / other.cycles();
  }
  for (const Leg& fellow : fellows(flow.leg)) {
    const std::vector<size_t>& theirs = flow_of_[fellow.channel];
    if (!together(flow, flows_[theirs[fellow.leg]])) met_[theirs[fellow.leg]] = kBeside;
  }
  met_[number] = 0;
}

// What a link leaves to the leg's own routes of `part` bytes each, bytes a cycle and route, while the leg is
// under way, for so many cycles; where it is `enough` or more, no less than that. Fellows read beside it, as
// much as it does if they have that much.
double LinkShares::left(const LegWays::OwnLink& own, double part, double cycles, double enough) {
  double parties = 1;
  double all_wanted = 0;
  double others = 0;
  for (const Passing& p : passing(own.link)) {
    const double met = met_[p.flow];
    if (met > 0) {
      all_wanted += p.bytes * met;
      ++others;
    } else if (met < 0) {
      parties += std::min(1.0, p.bytes / (part * own.routes));
    }
  }
  double rest = rates_[own.link] * cycles;  // bytes that pass in that time
  const double bytes_enough = enough * cycles * own.routes;
  // If the others get all they want, or as much as it, it gets no less than either.
  if ((rest - all_wanted) / parties >= bytes_enough || rest / (others + parties) >= bytes_enough)
    return enough;
  wanted_.clear();
  for (const Passing& p : passing(own.link)) {
    if (met_[p.flow] > 0) wanted_.push_back(p.bytes * met_[p.flow]);
  }
  std::sort(wanted_.begin(), wanted_.end());
  for (const double bytes : wanted_) {
    if (bytes * (others + parties) >= rest) break;
    rest -= bytes;
    --others;
  }
  return rest / (others + parties) / cycles / own.routes;
}

// The slowest route sets the rate, since a token is whole when its last part is there.
double LinkShares::leg_rate(Leg leg) {
  const std::vector<size_t>& known = flow_of_[leg.channel];
  RDU_CHECK(leg.leg < known.size() && known[leg.leg] < flows_.size(), "channel {} has no flow over leg {}",
            leg.channel, leg.leg);
  const Flow& flow = flows_[known[leg.leg]];
  const size_t routes = section_.channels[leg.channel].legs[leg.leg].size();
  const double bytes = std::max(1.0, static_cast<double>(legs_.bytes(leg.channel, leg.leg)));
  const double part = bytes / static_cast<double>(routes);
  double slowest = ways(flow).local_rate;
  bool has_met = false;
  const auto look_at = [&](const LegWays::OwnLink& own) {
    // As much as the others at least.
    const auto parties = static_cast<double>(passing(own.link).size() + 1);
    if (rates_[own.link] >= slowest * parties * own.routes) return;
    if (!std::exchange(has_met, true)) meet(known[leg.leg]);
    slowest = std::min(slowest, left(own, part, flow.cycles(), slowest));
  };
  const std::vector<LegWays::OwnLink>& links = ways(flow).links;
  if (!links.empty()) look_at(links[flow.slow_link]);
  for (const LegWays::OwnLink& own : links) look_at(own);
  return slowest * static_cast<double>(routes);
}

}  // namespace rdusim::compiler
