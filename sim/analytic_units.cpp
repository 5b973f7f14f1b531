// Costs and token shapes of the analytic model, unit by unit in the order of the data flow.
#include <algorithm>
#include <cmath>

#include "base/program/service.h"
#include "sim/analytic_section.h"

namespace rdusim::sim {

namespace {

// Ragged last pieces make a concatenation smaller than the sum of typical pieces; the channel knows the true
// size.
Extent clipped(Extent e, const Channel& channel) {
  e.rows = std::min(e.rows, channel.rows);
  e.cols = std::min(e.cols, channel.cols);
  return e;
}

// A concatenation of `count` register values.
Extent grown(const OutputPort& port, Extent e, int64_t twice_count) {
  int64_t& n = port.accumulate == Accumulate::kConcatRows ? e.rows : e.cols;
  n = (n * twice_count + 1) / 2;
  if (port.keep_rows > 0) e.rows = std::min(e.rows, port.keep_rows);
  return e;
}

// What the port emits, given what its register holds.
TokenShapes emitted(const OutputPort& port, const TokenShapes& source) {
  if (port.accumulate != Accumulate::kConcatRows && port.accumulate != Accumulate::kConcatCols) return source;
  // Values collected at the first and last emission since a reset.
  const int64_t last =
      port.phases.period == 1 ? port.reset_period : std::min(port.reset_period, port.phases.end);
  const int64_t first = std::min(last, port.phases.begin + 1);
  return {grown(port, source.first, 2 * first), grown(port, source.mean, first + last),
          grown(port, source.mean, 2 * last)};
}

}  // namespace

Status AnalyticSection::characterise(size_t u) {
  const Unit& x = unit(u);
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
  for (size_t o = 0; o < x.outputs.size(); ++o) {
    const TokenShapes& s = models_[u].sources[o];
    for (const ChannelId c : x.outputs[o].channels) {
      const Channel& channel = section_.channels[c.value];
      flows_[c.value].shapes = {clipped(s.first, channel), clipped(s.mean, channel),
                                clipped(s.last, channel)};
      flows_[c.value].tokens = std::max<int64_t>(1, active_firings(x.outputs[o].phases, x.firings));
    }
  }
  return {};
}

void AnalyticSection::characterise_stream(size_t u) {
  UnitModel& m = models_[u];
  const Unit& x = unit(u);
  const MemoryStream& s = *x.stream;
  const Symbol& symbol = program_.symbols[launch_.bindings[s.argument.value].value];
  int64_t rows = s.segments * s.repeats * s.rows;
  TokenShapes shapes{{std::min(s.rows, s.rows_per_token), s.cols, 0, 0}, {}, {}};
  if (s.gather) {
    shapes.first.rows = flows_[x.inputs[0].channel.value].shapes.mean.rows;
    rows = shapes.first.rows * x.firings;
  }
  shapes.mean = shapes.last = Extent{(rows + x.firings - 1) / x.firings, s.cols, 0, 0};
  m.sources.assign(1, shapes);
  m.bytes = rows * s.cols * dtype_bytes(symbol.dtype);
  m.tier = symbol.tier;
  if (symbol.tier == Tier::kSram) return characterise_sram(m, x, symbol);
  const MemorySpec& spec = symbol.tier == Tier::kHbm ? chip().hbm : chip().ddr;
  const auto ports = static_cast<double>(chip().agcu_ports * chip().agcu_port_bytes_per_cycle);
  const double rate = std::min(ports, spec.achieved_bytes_per_s() / chip().clock_hz);
  const bool whole_rows = s.cols == symbol.cols && !s.gather;
  const auto runs = static_cast<double>(whole_rows ? x.firings : rows);
  const auto burst = static_cast<double>(std::max<int64_t>(1, spec.burst_bytes));
  const double cycles = runs * std::ceil(static_cast<double>(m.bytes) / runs / burst) * burst / rate;
  m.set_service(cycles / static_cast<double>(x.firings));
  m.transfer_latency = static_cast<double>(cycles_of_seconds(spec.latency_ns * 1e-9, chip().clock_hz));
  m.latency = x.kind == UnitKind::kLoad ? m.transfer_latency : 0;
  add_stream(u, cycles);
}

void AnalyticSection::characterise_sram(UnitModel& m, const Unit& x, const Symbol& symbol) const {
  const PmuSpec& pmu = chip().pmu;
  const int64_t pmus = std::max<int64_t>(1, (symbol.bytes() + pmu.capacity_bytes - 1) / pmu.capacity_bytes);
  const double bytes = static_cast<double>(m.bytes) / static_cast<double>(x.firings);
  m.set_service(std::ceil(bytes / static_cast<double>(pmus * pmu.port_bytes_per_cycle)));
}

void AnalyticSection::add_stream(size_t u, double cycles) {
  const Unit& x = unit(u);
  UnitModel& m = models_[u];
  FluidStream s;
  s.priority = x.stream->priority;
  s.order = static_cast<int64_t>(u);
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

void AnalyticSection::characterise_send(size_t u) {
  UnitModel& m = models_[u];
  const Unit& x = unit(u);
  const size_t input = x.inputs[0].channel.value;
  const Flow& in = flows_[input];
  const int64_t sockets = program_.sockets;
  const bool scatter = x.exchange->mode == ExchangeMode::kScatterCols;
  const auto part = [&](Extent e) {
    if (scatter) e.cols = (e.cols + sockets - 1) / sockets;
    return e;
  };
  m.sources.assign(1, {part(in.shapes.first), part(in.shapes.mean), part(in.shapes.last)});
  const int64_t token = in.shapes.mean.elements();
  const int64_t sent = scatter ? token - part(in.shapes.mean).elements() : token * (sockets - 1);
  const int64_t bytes = sent * dtype_bytes(section_.channels[input].dtype);
  m.bytes = bytes * x.firings;
  m.set_service(static_cast<double>(bytes) * chip().clock_hz / node_.link.bandwidth_bytes_per_s);
  link_busy_ += m.service * static_cast<double>(x.firings);
}

void AnalyticSection::characterise_receive(size_t u) {
  UnitModel& m = models_[u];
  const Unit& x = unit(u);
  const size_t input = x.inputs[0].channel.value;
  const Flow& in = flows_[input];
  const auto joined = [&](Extent e) {
    if (x.exchange->combine == Combine::kConcatCols) e.cols *= program_.sockets;
    return e;
  };
  m.sources.assign(1, {joined(in.shapes.first), joined(in.shapes.mean), joined(in.shapes.last)});
  const int64_t bytes =
      in.shapes.mean.elements() * dtype_bytes(section_.channels[input].dtype) * program_.sockets;
  const int64_t rate = chip().agcu_ports * chip().agcu_port_bytes_per_cycle;
  m.set_service(static_cast<double>(std::max<int64_t>(1, (bytes + rate - 1) / rate)));
}

// Two kinds of firing: those of which outputs emit, and those that only accumulate.
Status AnalyticSection::characterise_compute(size_t u) {
  UnitModel& m = models_[u];
  const Unit& x = unit(u);
  FiringCost cost(section_, x, chip());
  FiringActivity emit;
  FiringActivity quiet;
  for (size_t i = 0; i < x.inputs.size(); ++i) {
    const Phases& p = x.inputs[i].phases;
    if (p.begin == 0) emit.inputs_taken |= 1U << i;
    if (p.end - p.begin == p.period) quiet.inputs_taken |= 1U << i;
  }
  int64_t emitting = 0;
  int64_t first = x.firings;
  for (size_t o = 0; o < x.outputs.size(); ++o) {
    emit.outputs_active |= 1U << o;
    emitting = std::max(emitting, active_firings(x.outputs[o].phases, x.firings));
    first = std::min(first, x.outputs[o].phases.begin + 1);
  }
  RDU_CHECK_OK(fire(x, cost, emit, m));
  if (emitting < x.firings) {
    UnitModel accumulating;
    RDU_CHECK_OK(fire(x, cost, quiet, accumulating));
    const double share = static_cast<double>(emitting) / static_cast<double>(x.firings);
    m.service = m.service * share + accumulating.service * (1 - share);
    m.service_first = m.service_last = m.service;
  }
  m.first_firings = static_cast<double>(first);
  m.latency = x.kind == UnitKind::kBuffer ? 0 : static_cast<double>(chip().pcu.pipeline_latency_cycles);
  return {};
}

// Cost on the shapes of first, mean and last tokens. Rounded means may not fit together; then the first
// tokens count.
Status AnalyticSection::fire(const Unit& x, FiringCost& cost, FiringActivity activity, UnitModel& m) const {
  std::array<std::vector<Extent>, 3> registers;
  for (const InputPort& port : x.inputs) {
    const TokenShapes& s = flows_[port.channel.value].shapes;
    registers[0].push_back(s.first);
    registers[1].push_back(s.mean);
    registers[2].push_back(s.last);
  }
  std::array<double, 3> cycles{};
  RDU_ASSIGN(const int64_t first, cost.compute(activity, 0, registers[0]));
  for (size_t i = 0; i < 3; ++i) {
    auto on_shape = i == 0 ? Result<int64_t>(first) : cost.compute(activity, 0, registers[i]);
    cycles[i] = static_cast<double>(on_shape.ok() ? *on_shape : first);
    if (!on_shape.ok()) registers[i] = registers[0];
  }
  m.service_first = cycles[0];
  m.service = cycles[1];
  m.service_last = cycles[2];
  for (const OutputPort& port : x.outputs) {
    m.sources.push_back(
        emitted(port, {registers[0][port.source], registers[1][port.source], registers[2][port.source]}));
  }
  return {};
}

}  // namespace rdusim::sim
