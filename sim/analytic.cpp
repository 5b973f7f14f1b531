// Each channel carries tokens number 1..n that arrive between `first` and `last`, evenly. A unit's first
// result needs the first tokens of its inputs and some firings; its last result comes when both its own work
// and its last inputs allow. Memory streams are scheduled as a fluid (stream_schedule.h), whose gates are the
// consumers' starts; since those depend on the streams in turn, both are swept until nothing changes.
//
// APPROX: back-pressure acts on memory streams and on stages whose work grows; service grows linearly between
// first and last firing; competition for the link delays the last message only. Against the event engine on
// the Llama and Mistral decoders: below 1 % where the weights' stream binds, below 7 % elsewhere. Wider over
// random toy decoders, whose few small tokens leave nothing to average (tests/property/sim_property_test.cpp
// and cli_fidelities_test.cpp print and bound it).
#include "sim/analytic.h"

#include <algorithm>
#include <cmath>

#include "base/program/operand_reads.h"
#include "sim/analytic_section.h"

namespace rdusim::sim {

namespace {

// assumed: dependency chains between memory streams settle in as many sweeps as there are stages that wait
// for weights in turn; a decoder layer has six.
constexpr int kMaxSweeps = 24;

// Arrival of the token that firing number `firings` (from 1) of a port needs.
template <typename Number>
Number arrival(const Flow<Number>& f, const Phases& phases, double firings) {
  const auto period = static_cast<double>(phases.period);
  const auto begin = static_cast<double>(phases.begin);
  const auto length = static_cast<double>(phases.end - phases.begin);
  const double periods = std::floor((firings - 1) / period);
  const double taken = periods * length + std::clamp(firings - periods * period - begin, 0.0, length);
  if (taken < 1) return 0;
  if (f.tokens <= 1) return f.last;
  const auto tokens = static_cast<double>(f.tokens);
  return f.first + (std::min(taken, tokens) - 1) * (f.last - f.first) / (tokens - 1);
}

// Pace at which this input lets firings follow each other.
template <typename Number>
Pace<Number> input_pace(const Flow<Number>& f, int64_t firings, int64_t hold) {
  if (firings <= hold) return {};
  if (f.pace && f.tokens == firings) return *f.pace;
  return {(f.last - f.first) / static_cast<double>(firings - hold), 0, 0};
}

// Of two lines the one that ends higher: both grow from near nothing, so it is the higher one nearly
// throughout.
template <typename Number>
Pace<Number> slower(const Pace<Number>& a, const Pace<Number>& b) {
  const Pace<Number>& line = a.last >= b.last ? a : b;
  return {std::max(a.even, b.even), line.first, line.last};
}

template <typename Number>
Number mean_of(const Pace<Number>& p) {
  if (p.last <= p.even) return p.even;
  if (p.first >= p.even) return (p.first + p.last) / 2;
  const Number held = (p.even - p.first) / (p.last - p.first);
  return held * p.even + (1 - held) * (p.even + p.last) / 2;
}

// Time of `n` firings at a pace, the last one's service included. The work itself is the least, which a line
// may miss.
template <typename Number>
Number paced(double n, const UnitModel<Number>& m, const Pace<Number>& pace) {
  return std::max<Number>((n - 1) * mean_of(pace) + m.service_last, n * m.service);
}

}  // namespace

template <typename Number>
AnalyticSection<Number>::AnalyticSection(const Program& program, const LaunchRun& run, const NodeSpec& node)
    : program_(program),
      section_(program.sections[run.launch.section.value]),
      launch_(run.launch),
      head_start_(run.head_start),
      node_(node),
      memory_bytes_per_s_(memory_rates(program, section_, launch_, node.chip)),
      turn_ranks_(turn_ranks(section_)),
      flows_(section_.channels.size()),
      models_(section_.units.size()),
      ahead_busy_(section_.units.size(), 0) {}

template <typename Number>
Result<SectionOutcome> AnalyticSection<Number>::solve() {
  RDU_ASSIGN(ends_, channel_ends(section_));
  shapes_.emplace(program_, section_, launch_, chip(), ends_);
  find_order();
  for (const size_t u : order_) RDU_CHECK_OK(characterise(u));
  find_back_pressure();
  begin_ahead();
  settle();
  count_ahead();
  if (!launch_.prefetch) return outcome();
  loop();
  SectionOutcome out = outcome();
  extend(out, 1, launch_.iterations, static_cast<int64_t>(std::ceil(value_of(finish_))));
  return out;
}

template <typename Number>
void AnalyticSection<Number>::settle() {
  Number before = -1;
  for (int sweep = 0; sweep < kMaxSweeps && finish_ != before; ++sweep) {
    before = finish_;
    for (size_t t = 0; t < kTierCount; ++t) busy_[t] = schedule_streams(streams_[t]);
    link_free_ = 0;
    for (const size_t u : order_) propagate(u);
    finish_ = 0;
    for (const UnitModel& m : models_) finish_ = std::max(finish_, m.end + m.transfer_latency);
    set_gates();
  }
}

// Producers before consumers; units on a cycle come last, in their own order.
template <typename Number>
void AnalyticSection<Number>::find_order() {
  std::vector<size_t> missing;
  for (const Unit& x : section_.units) missing.push_back(x.inputs.size());
  std::vector<bool> placed(missing.size(), false);
  for (size_t u = 0; u < missing.size(); ++u) {
    if (missing[u] == 0) place(u, placed);
  }
  for (size_t next = 0; next < missing.size(); ++next) {
    if (next == order_.size()) {
      place(static_cast<size_t>(std::find(placed.begin(), placed.end(), false) - placed.begin()), placed);
    }
    for (const OutputPort& port : unit(order_[next]).outputs) {
      for (const ChannelId c : port.channels) {
        const size_t consumer = ends_[c.value].consumer->value;
        if (--missing[consumer] == 0 && !placed[consumer]) place(consumer, placed);
      }
    }
  }
}

template <typename Number>
void AnalyticSection<Number>::place(size_t u, std::vector<bool>& placed) {
  placed[u] = true;
  order_.push_back(u);
}

// From the consumers back: each unit's slowest consumer, near or far, among those that fire as often.
// Also the share of the memory channel that a stream's round trips leave it.
template <typename Number>
void AnalyticSection<Number>::find_back_pressure() {
  for (auto next = order_.rbegin(); next != order_.rend(); ++next) {
    UnitModel& m = models_[*next];
    const Unit& x = unit(*next);
    for (const OutputPort& port : x.outputs) {
      for (const ChannelId c : port.channels) {
        const auto capacity = static_cast<double>(section_.channels[c.value].capacity_tokens);
        if (m.stream && x.kind == UnitKind::kLoad && !x.stream->gather) {
          FluidStream& s = stream_of(m);
          s.share = std::min<Number>(s.share, capacity * m.service / round_trip(m, x, c));
        }
        const size_t consumer = ends_[c.value].consumer->value;
        if (unit(consumer).firings != x.firings || flows_[c.value].tokens != x.firings) continue;
        const UnitModel& to = models_[consumer];
        const BackPressure near{std::min(to.service_first, to.service_last), capacity};
        const BackPressure far{to.held.interval, to.held.slack + capacity + 1};
        const BackPressure& slower = near.interval >= far.interval ? near : far;
        if (slower.interval > m.held.interval) m.held = slower;
      }
    }
  }
}

// Cycles from the first firing's begin to the last one's end, for work that grows: early firings, short
// themselves, wait for slower consumers, but for those whose results fit into the channels between.
template <typename Number>
Number AnalyticSection<Number>::work_end(const UnitModel& m, double firings, const Pace& pace) const {
  Pace held = pace;
  held.even = std::max(pace.even, m.held.interval);
  return std::max<Number>(paced(firings, m, pace), paced(firings, m, held) - m.held.slack * m.held.interval);
}

template <typename Number>
void AnalyticSection<Number>::propagate(size_t u) {
  UnitModel& m = models_[u];
  const Unit& x = unit(u);
  const auto firings = static_cast<double>(x.firings);
  m.start = begin_of(u);
  Number first_done = m.start;
  Number done = m.start;
  m.end_but_one = m.start;
  Pace inputs;
  for (const InputPort& port : x.inputs) {
    const Flow& f = flows_[port.channel.value];
    if (port.phases.begin == 0) m.start = std::max<Number>(m.start, f.first);
    first_done = std::max<Number>(first_done, arrival(f, port.phases, m.first_firings) + m.service_first);
    // After the last token is taken, the firings that hold it remain.
    const int64_t hold = port.phases.end == port.phases.period ? 1 : port.phases.period - port.phases.end + 1;
    done = std::max<Number>(done, f.last + m.service_last * static_cast<double>(std::min(hold, x.firings)));
    inputs = slower(inputs, input_pace(f, x.firings, hold));
    if (f.tokens == x.firings && x.firings > 1)
      m.end_but_one = std::max<Number>(m.end_but_one, f.last_but_one + m.service_last_but_one);
  }
  if (x.kind == UnitKind::kReceive) {
    m.start = std::max<Number>(m.start, exchange_first_[x.exchange->id]);
    first_done = std::max<Number>(first_done, m.start + m.service);
    done = std::max<Number>(done, exchange_last_[x.exchange->id] + m.service);
  }
  first_done = std::max<Number>(first_done, m.start + m.first_firings * m.service_first);
  const bool grows = m.service_last > m.service_first || inputs.last > inputs.first;
  const Pace pace = slower(inputs, {0, m.service_first, m.service_last});
  m.end_but_one = std::max<Number>(m.end_but_one, m.start + firings * m.service - m.service_last);
  done = std::max<Number>(done, m.end_but_one + m.service_last);
  m.end = std::max<Number>(done, m.start + (grows ? work_end(m, firings, pace) : firings * m.service));
  if (m.stream) follow_schedule(m, x, first_done);
  m.end = std::max<Number>(m.end, credit_limit(m, x, first_done));
  if (x.kind == UnitKind::kSend) {
    // Sends share the link; whatever their turns, all their bytes pass it after the first of them begins.
    link_free_ = std::max<Number>(link_free_, m.start) + firings * m.service;
    m.end = std::max<Number>(m.end, link_free_);
    const Number latency = cost(StepKind::kLinkLatency, u, node_.link.latency_ns * 1e-9 * chip().clock_hz);
    exchange_first_[x.exchange->id] = m.start + m.service + latency;
    exchange_last_[x.exchange->id] = m.end + latency;
    first_done = m.start;  // its own part does not pass the link
  }
  for (const OutputPort& port : x.outputs) {
    for (const ChannelId c : port.channels) {
      Flow& f = flows_[c.value];
      const Number latency = m.latency + hops(c);
      // The links pass one token after the other; of a growing accumulator each takes longer than the one
      // before, and the last ones may take longer than the stage that makes them. Tokens that do not grow
      // count as the mean: a ragged last one follows a full one.
      const auto gaps = static_cast<double>(std::max<int64_t>(1, f.tokens - 1));
      const Pace given = grows ? pace : Pace{std::max<Number>(0, m.end - first_done) / gaps, 0, 0};
      const Pace growing{0, carry(c, f.elements_first), carry(c, f.elements_last)};
      // Only what grows steadily is such a line; a window's tokens stop growing.
      const bool steady = (growing.first + growing.last) / 2 > 0.99 * carry(c);
      const bool held = f.tokens == x.firings && growing.last > growing.first && steady &&
                        growing.last > std::max<Number>(given.even, given.last);
      const Pace links = held ? slower(given, growing) : Pace{carry(c), 0, 0};
      const Number transfer_first = carry_after(m, c, held ? f.elements_first : f.elements);
      const Number transfer_last = carry_after(m, c, held ? f.elements_last : f.elements);
      f.first = first_done + latency + transfer_first;
      f.last = std::max<Number>(std::max<Number>(first_done, m.end) + latency + transfer_last,
                                f.first + static_cast<double>(f.tokens - 1) * mean_of(links));
      f.last_but_one = f.last - (f.last - f.first) / gaps;
      if (!m.stream && f.tokens == x.firings)
        f.last_but_one = std::min<Number>(f.last, m.end_but_one + latency + transfer_last);
      f.pace = std::nullopt;
      if (f.tokens == x.firings && (grows || held)) f.pace = held ? links : pace;
    }
  }
}

template <typename Number>
Number AnalyticSection<Number>::carry(ChannelId c, double elements) const {
  const Channel& channel = section_.channels[c.value];
  const int64_t rate = write_rate(channel, shapes_->operand_rates()[c.value], chip());
  if (rate == 0) return 0;
  const double bytes = elements * static_cast<double>(dtype_bytes(channel.dtype));
  return cost(StepKind::kRdnTransfer, ends_[c.value].producer->value, bytes / static_cast<double>(rate));
}

// Cycles that a token takes over the switches of the channel's route.
template <typename Number>
Number AnalyticSection<Number>::hops(ChannelId c) const {
  const auto cycles = static_cast<double>(section_.channels[c.value].latency_cycles);
  return cost(StepKind::kRdnLatency, ends_[c.value].producer->value, cycles);
}

// A slot comes back after the token's way to the consumer and its use there.
template <typename Number>
Number AnalyticSection<Number>::round_trip(const UnitModel& m, const Unit& x, ChannelId c) const {
  const size_t consumer = ends_[c.value].consumer->value;
  const Phases& taken = unit(consumer).inputs[ends_[c.value].input_port].phases;
  const auto uses = static_cast<double>(taken.period) / static_cast<double>(taken.end - taken.begin);
  // Until a stream's slot is free its transfer cannot start; other units work while they wait for the slot.
  // An own part waits for the peers' messages.
  Number before = x.kind == UnitKind::kLoad ? m.service : Number(0);
  if (x.kind == UnitKind::kSend && program_.sockets > 1) {
    const size_t sender = ends_[c.value].producer->value;
    before = m.service + cost(StepKind::kLinkLatency, sender, node_.link.latency_ns * 1e-9 * chip().clock_hz);
  }
  return before + m.latency + hops(c) + carry_after(m, c, flows_[c.value].elements) +
         uses * std::min<Number>(models_[consumer].service, models_[consumer].service_first);
}

// At most `capacity` tokens a round trip.
template <typename Number>
Number AnalyticSection<Number>::credit_limit(const UnitModel& m, const Unit& x,
                                             const Number& first_done) const {
  Number end = std::min<Number>(0, first_done);
  for (const OutputPort& port : x.outputs) {
    for (const ChannelId c : port.channels) {
      const int64_t capacity = section_.channels[c.value].capacity_tokens;
      const int64_t rounds = flows_[c.value].tokens - capacity;
      if (rounds <= 0) continue;
      const Number trip = round_trip(m, x, c) / static_cast<double>(capacity);
      end = std::max<Number>(end, first_done + static_cast<double>(rounds) * trip);
    }
  }
  return end;
}

template <typename Number>
void AnalyticSection<Number>::follow_schedule(UnitModel& m, const Unit& x, Number& first_done) {
  const FluidStream& s = stream_of(m);
  if (x.inputs.empty()) {
    first_done = s.first_done;
    m.end = s.last_done;
    return;
  }
  // The schedule knew the release of the sweep before.
  const Number late = std::max<Number>(0, flows_[x.inputs[0].channel.value].first - s.release);
  first_done = std::max<Number>(first_done, s.first_done + late);
  m.end = std::max<Number>(m.end, s.last_done + late);
}

// Streams may fetch beyond their channels when every consumer has started, that is, when its other inputs are
// there.
template <typename Number>
void AnalyticSection<Number>::set_gates() {
  for (const size_t u : order_) {
    const UnitModel& m = models_[u];
    if (!m.stream) continue;
    FluidStream& s = stream_of(m);
    if (!unit(u).inputs.empty()) {
      s.release = s.gate = not_before_its_begin(u, flows_[unit(u).inputs[0].channel.value].first);
      continue;
    }
    s.gate = s.release;
    for (const ChannelId c : unit(u).outputs[0].channels) {
      const size_t consumer = ends_[c.value].consumer->value;
      s.gate = not_before_its_begin(consumer, s.gate);
      for (const InputPort& port : unit(consumer).inputs) {
        if (port.channel != c && port.phases.begin == 0)
          s.gate = std::max<Number>(s.gate, flows_[port.channel.value].first);
      }
    }
  }
}

template <typename Number>
SectionOutcome AnalyticSection<Number>::outcome() const {
  SectionOutcome out;
  out.cycles = static_cast<int64_t>(std::ceil(value_of(finish_)));
  out.counters.resize(1);
  out.bytes.resize(1);
  for (size_t u = 0; u < models_.size(); ++u) {
    const UnitModel& m = models_[u];
    UnitCounters c;
    c.firings = unit(u).firings;
    const int64_t end = std::clamp<int64_t>(std::llround(value_of(m.end)), 0, out.cycles);
    c.ahead = ahead_busy_[u];
    c.busy = std::min<int64_t>(end, std::llround(m.busy * static_cast<double>(c.firings)) - c.ahead);
    c.starved = end - c.busy;
    c.work = m.work;
    if (unit(u).kind == UnitKind::kLoad && m.tier == Tier::kSram)
      c.work.operand_bytes[static_cast<size_t>(section_.arguments[unit(u).stream->argument.value].cause)] +=
          m.bytes;
    out.counters[0].push_back(c);
    count_bytes(u, out.bytes[0]);
  }
  count_channels(out);
  out.hbm_busy_cycles = std::llround(value_of(busy_[static_cast<size_t>(Tier::kHbm)]));
  out.ddr_busy_cycles = std::llround(value_of(busy_[static_cast<size_t>(Tier::kDdr)]));
  out.link_busy_cycles = std::llround(value_of(link_busy_));
  return out;
}

template <typename Number>
void AnalyticSection<Number>::count_bytes(size_t u, ByteCounts& bytes) const {
  const Unit& x = unit(u);
  const UnitModel& m = models_[u];
  Cause cause = x.exchange ? Cause::kCollective : Cause::kActivations;
  if (x.stream) {
    cause = section_.arguments[x.stream->argument.value].cause;
    const bool counts = m.tier != Tier::kSram || x.kind == UnitKind::kStore;
    if (counts) bytes[static_cast<size_t>(m.tier)][static_cast<size_t>(cause)] += m.bytes;
  }
  if (x.kind == UnitKind::kSend)
    bytes[static_cast<size_t>(Wire::kLink)][static_cast<size_t>(cause)] += m.bytes;
}

template <typename Number>
void AnalyticSection<Number>::count_channels(SectionOutcome& out) const {
  std::vector<int64_t> written;
  for (size_t c = 0; c < flows_.size(); ++c) {
    const double elements = flows_[c].elements * static_cast<double>(flows_[c].tokens);
    written.push_back(std::llround(elements) * dtype_bytes(section_.channels[c].dtype));
  }
  count_channel_bytes(section_, chip(), written, channel_causes(section_), out);
}

Result<SectionOutcome> analytic_section(const Program& program, const LaunchRun& run, const NodeSpec& node) {
  return AnalyticSection<double>(program, run, node).solve();
}

template class AnalyticSection<double>;
template class AnalyticSection<Dual>;

}  // namespace rdusim::sim
