// Costs of the analytic model, unit by unit in the order of the data flow.
#include <algorithm>
#include <cmath>

#include "base/program/service.h"
#include "sim/analytic_section.h"
#include "sim/resource_rates.h"

namespace rdusim::sim {

namespace {

// A number among [0, count) that stands for `weight` of them.
struct Sample {
  int64_t number = 0;
  double weight = 1;
};

// The first and the last, which may be ragged, and the middles of equal parts between: exact on what is even
// or grows steadily.
std::vector<Sample> samples(int64_t count) {
  constexpr int64_t kParts = 12;
  std::vector<Sample> out{{0, 1}};
  const int64_t inner = std::max<int64_t>(0, count - 2);
  const int64_t parts = std::min(inner, kParts);
  for (int64_t i = 0; i < parts; ++i) {
    const int64_t begin = 1 + inner * i / parts;
    const int64_t end = 1 + inner * (i + 1) / parts;
    out.push_back({(begin + end - 1) / 2, static_cast<double>(end - begin)});
  }
  if (count > 1) out.push_back({count - 1, 1});
  return out;
}

// Sum of firings' work, each standing for some of them.
class WorkMean {
 public:
  void add(const FiringWork& work, double firings) {
    for (size_t k = 0; k < kWorkKindCount; ++k)
      operations_[k] += firings * static_cast<double>(work.operations[k]);
    for (size_t c = 0; c < kCauseCount; ++c) {
      operands_[c] += firings * static_cast<double>(work.operand_bytes[c]);
      reread_[c] += firings * static_cast<double>(work.reread_byte_hops[c]);
    }
    reading_ += firings * static_cast<double>(work.reading_cycles);
  }
  [[nodiscard]] FiringWork rounded() const {
    FiringWork work;
    for (size_t k = 0; k < kWorkKindCount; ++k) work.operations[k] = std::llround(operations_[k]);
    for (size_t c = 0; c < kCauseCount; ++c) {
      work.operand_bytes[c] = std::llround(operands_[c]);
      work.reread_byte_hops[c] = std::llround(reread_[c]);
    }
    work.reading_cycles = std::llround(reading_);
    return work;
  }

 private:
  std::array<double, kWorkKindCount> operations_{};
  std::array<double, kCauseCount> operands_{};
  std::array<double, kCauseCount> reread_{};
  double reading_ = 0;
};

}  // namespace

template <typename Number>
Status AnalyticSection<Number>::characterise(size_t u) {
  const Unit& x = unit(u);
  for (const OutputPort& port : x.outputs) {
    for (const ChannelId c : port.channels) {
      Flow& f = flows_[c.value];
      f.tokens = std::max<int64_t>(1, active_firings(port.phases, x.firings));
      if (c == port.channels[0]) {
        RDU_CHECK_OK(measure_tokens(c));
        continue;
      }
      const Flow& same = flows_[port.channels[0].value];
      f.elements = same.elements;
      f.elements_first = same.elements_first;
      f.elements_last = same.elements_last;
    }
  }
  switch (x.kind) {
    case UnitKind::kLoad:
    case UnitKind::kStore:
      characterise_stream(u);
      break;
    case UnitKind::kSend:
      characterise_send(u);
      break;
    case UnitKind::kReceive:
      characterise_receive(u);
      break;
    default:
      RDU_CHECK_OK(characterise_compute(u));
  }
  return {};
}

template <typename Number>
Status AnalyticSection<Number>::measure_tokens(ChannelId channel) {
  Flow& f = flows_[channel.value];
  double sum = 0;
  for (const Sample& s : samples(f.tokens)) {
    RDU_ASSIGN(const Extent extent, shapes_->token(channel, s.number));
    const auto elements = static_cast<double>(extent.elements());
    sum += s.weight * elements;
    if (s.number == 0) f.elements_first = elements;
    f.elements_last = elements;
  }
  f.elements = sum / static_cast<double>(f.tokens);
  return {};
}

template <typename Number>
void AnalyticSection<Number>::characterise_stream(size_t u) {
  UnitModel& m = models_[u];
  const Unit& x = unit(u);
  const MemoryStream& s = *x.stream;
  const Symbol& symbol = program_.symbols[launch_.bindings[s.argument.value].value];
  int64_t rows = s.segments * s.repeats * s.rows;
  if (s.gather) {  // a number a row
    const double numbers = flows_[x.inputs[0].channel.value].elements;
    rows = std::llround(numbers * static_cast<double>(x.firings));
  }
  m.bytes = rows * s.cols * dtype_bytes(symbol.dtype);
  m.tier = symbol.tier;
  if (symbol.tier == Tier::kSram) return characterise_sram(u, symbol);
  const MemorySpec& spec = symbol.tier == Tier::kHbm ? chip().hbm : chip().ddr;
  const int64_t bytes_per_s = memory_bytes_per_s_[static_cast<size_t>(symbol.tier)];
  const double rate = static_cast<double>(bytes_per_s) / chip().clock_hz;
  const bool whole_rows = s.cols == symbol.cols && !s.gather;
  const auto runs = static_cast<double>(whole_rows ? x.firings : rows);
  const auto burst = static_cast<double>(std::max<int64_t>(1, spec.burst_bytes));
  const bool hbm = symbol.tier == Tier::kHbm;
  const double moved = runs * std::ceil(static_cast<double>(m.bytes) / runs / burst) * burst;
  const Number cycles = cost(transfer_step(chip(), symbol.tier, bytes_per_s), u, moved / rate);
  m.set_service(cycles / static_cast<double>(x.firings));
  m.result_cycles = m.service;
  m.transfer_latency = cost(hbm ? StepKind::kHbmLatency : StepKind::kDdrLatency, u,
                            static_cast<double>(memory_latency_cycles(chip(), symbol.tier)),
                            memory_latency(chip(), symbol.tier));
  m.latency = x.kind == UnitKind::kLoad ? m.transfer_latency : Number(0);
  add_stream(u, cycles);
}

template <typename Number>
void AnalyticSection<Number>::characterise_sram(size_t u, const Symbol& symbol) {
  UnitModel& m = models_[u];
  const Unit& x = unit(u);
  const PmuSpec& pmu = chip().pmu;
  const int64_t pmus = std::max<int64_t>(1, (symbol.bytes() + pmu.capacity_bytes - 1) / pmu.capacity_bytes);
  const double bytes = static_cast<double>(m.bytes) / static_cast<double>(x.firings);
  const double exact = bytes / static_cast<double>(pmus * pmu.port_bytes_per_cycle);
  m.set_service(cost(StepKind::kPmu, u, std::ceil(exact), exact));
  m.result_cycles = m.service;
}

template <typename Number>
void AnalyticSection<Number>::add_stream(size_t u, const Number& cycles) {
  const Unit& x = unit(u);
  UnitModel& m = models_[u];
  FluidStream s;
  s.priority = x.stream->priority;
  s.order = turn_ranks_[u];
  s.first_cycles = m.service;
  double ahead = 1;  // share that fits into the channels ahead of the consumers
  if (x.kind == UnitKind::kLoad && !x.stream->gather) {
    for (const ChannelId c : x.outputs[0].channels) {
      const auto capacity = static_cast<double>(section_.channels[c.value].capacity_tokens);
      ahead = std::min(ahead, capacity / static_cast<double>(x.firings));
    }
  }
  s.ahead_cycles = cycles * ahead;
  s.rest_cycles = cycles - s.ahead_cycles;
  auto& streams = streams_[static_cast<size_t>(m.tier)];
  m.stream = streams.size();
  streams.push_back(s);
}

template <typename Number>
void AnalyticSection<Number>::characterise_send(size_t u) {
  UnitModel& m = models_[u];
  const Unit& x = unit(u);
  const size_t input = x.inputs[0].channel.value;
  const double token = flows_[input].elements;
  const bool scatter = x.exchange->mode == ExchangeMode::kScatterCols;
  const double sent = scatter ? token - flows_[x.outputs[0].channels[0].value].elements
                              : token * static_cast<double>(program_.sockets - 1);
  const double bytes = sent * static_cast<double>(dtype_bytes(section_.channels[input].dtype));
  m.bytes = std::llround(bytes * static_cast<double>(x.firings));
  m.set_service(cost(StepKind::kLinkTransfer, u, bytes * chip().clock_hz / node_.link.bandwidth_bytes_per_s));
  link_busy_ += m.service * static_cast<double>(x.firings);
}

template <typename Number>
void AnalyticSection<Number>::characterise_receive(size_t u) {
  const size_t input = unit(u).inputs[0].channel.value;
  const double bytes = flows_[input].elements *
                       static_cast<double>(dtype_bytes(section_.channels[input].dtype) * program_.sockets);
  const auto rate = static_cast<double>(chip().agcu_ports * chip().agcu_port_bytes_per_cycle);
  models_[u].set_service(cost(StepKind::kAgcu, u, std::max(1.0, std::ceil(bytes / rate)), bytes / rate));
}

// What a firing keeps its unit: its passes, or the reading of its operands.
template <typename Number>
Number AnalyticSection<Number>::occupancy(size_t u, StepKind kind, const FiringCycles& cycles) const {
  const bool reads = cycles.operand_cycles > cycles.service_cycles;
  return cost(reads ? operand_step(chip()) : kind, u, static_cast<double>(cycles.occupancy_cycles()));
}

// The rounds of a unit, of one emission each, have two kinds of firing: those at which outputs emit, and
// those that only accumulate.
template <typename Number>
Status AnalyticSection<Number>::characterise_compute(size_t u) {
  UnitModel& m = models_[u];
  const Unit& x = unit(u);
  Phases round;  // of the output that emits last
  int64_t first = x.firings;
  for (const OutputPort& port : x.outputs) {
    if (port.phases.begin >= round.begin && port.phases.period >= round.period) round = port.phases;
    first = std::min(first, port.phases.begin + 1);
  }
  const int64_t emitting = active_firings(round, x.firings);
  const double share = static_cast<double>(emitting) / static_cast<double>(x.firings);
  const int64_t rounds = (x.firings + round.period - 1) / round.period;
  Number sum = 0;
  double busy = 0;
  const StepKind kind = x.kind == UnitKind::kBuffer ? StepKind::kPmu : StepKind::kPcu;
  WorkMean work;
  for (const Sample& s : samples(rounds)) {
    const int64_t begin = s.number * round.period;
    const int64_t emits = std::min(x.firings - 1, begin + round.begin);
    const int64_t quiet = std::min(x.firings - 1, begin + (round.begin > 0 ? 0 : round.end));
    m.service_last_but_one = m.service_last;
    RDU_ASSIGN(const FiringCost::Entry* full, shapes_->firing(u, emits));
    m.latency = cost(StepKind::kPcuLatency, u, static_cast<double>(full->cycles.latency_cycles));
    m.result_cycles = cost(kind, u, static_cast<double>(full->cycles.result_cycles));
    m.service_last = occupancy(u, kind, full->cycles);
    auto busy_cycles = static_cast<double>(full->cycles.service_cycles);
    const double firings_of_round = static_cast<double>(x.firings) / static_cast<double>(rounds);
    work.add(full->work, s.weight * firings_of_round * (emitting < x.firings ? share : 1));
    if (emitting < x.firings) {
      RDU_ASSIGN(const FiringCost::Entry* part, shapes_->firing(u, quiet));
      work.add(part->work, s.weight * firings_of_round * (1 - share));
      m.service_last = share * m.service_last + (1 - share) * occupancy(u, kind, part->cycles);
      busy_cycles = share * busy_cycles + (1 - share) * static_cast<double>(part->cycles.service_cycles);
    }
    if (s.number == 0) m.service_first = m.service_last;
    sum += s.weight * m.service_last;
    busy += s.weight * busy_cycles;
  }
  m.busy = busy / static_cast<double>(rounds);
  m.service = sum / static_cast<double>(rounds);
  m.work = work.rounded();
  m.first_firings = static_cast<double>(first);
  return {};
}

template <typename Number>
Number AnalyticSection<Number>::cost(StepKind kind, size_t unit, double cycles, double scaling) const {
  if constexpr (std::is_same_v<Number, double>) {
    return cycles;
  } else {
    if (cycles == 0) return 0;
    const auto known = std::find(costs_.begin(), costs_.end(), Cost{kind, unit});
    const auto number = static_cast<size_t>(known - costs_.begin());
    if (known == costs_.end()) costs_.push_back({kind, unit});
    return Dual::variable(cycles, number, scaling);
  }
}

template class AnalyticSection<double>;
template class AnalyticSection<Dual>;

}  // namespace rdusim::sim
