#include "compiler/passes/launch_course.h"

#include <algorithm>

#include "base/program/operand_reads.h"
#include "base/program/service.h"
#include "compiler/passes/traffic.h"

namespace rdusim::compiler {

namespace {

bool has_body(const Unit& unit) {
  return unit.kind == UnitKind::kGemm || unit.kind == UnitKind::kSimd || unit.kind == UnitKind::kBuffer;
}

LaunchWork::Firing firing_of(const Section& section, const Unit& unit, const FiringKind& kind,
                             const ChipSpec& chip) {
  LaunchWork::Firing firing;
  if (unit.kind != UnitKind::kBuffer) {
    const FiringCycles cycles = compute_cycles(unit, chip.pcu, kind.needed, kind.registers);
    firing.service_cycles = cycles.service_cycles;
    firing.latency_cycles = cycles.latency_cycles;
    firing.result_cycles = cycles.result_cycles;
  }
  for (size_t i = 0; i < unit.inputs.size(); ++i) {
    firing.operand_bytes.push_back(operand_elements(unit, kind.needed, kind.registers, i) *
                                   dtype_bytes(section.channels[unit.inputs[i].channel.value].dtype));
  }
  return firing;
}

// One slot or token after the other; times in cycles.
struct Lane {
  std::vector<int64_t> bytes;  // of each token
  std::vector<int64_t> ready;  // of those written
  std::vector<int64_t> freed;  // of those released
  size_t claimed = 0;
  size_t taken = 0;
  size_t capacity = 1;
  int64_t latency = 0;
  int64_t rate = 0;  // bytes a cycle; 0: at once
  int64_t links_free = 0;

  [[nodiscard]] bool has_token() const { return taken < ready.size(); }
  [[nodiscard]] bool has_space() const { return claimed < capacity + freed.size(); }
  int64_t claim() {
    const size_t slot = claimed++;
    return slot < capacity ? 0 : freed[slot - capacity];
  }
  void send(int64_t first, int64_t last) {
    if (rate > 0) {
      const int64_t carried = ceil_div(bytes[ready.size()], rate);
      last = links_free = std::max(last, std::max(links_free, first) + carried);
    }
    ready.push_back(last + latency);
  }
};

class Course {
 public:
  Course(const Section& section, const LaunchWork& work, const ChipSpec& chip)
      : section_(section),
        work_(work),
        chip_(chip),
        rates_(operand_rates(section, chip)),
        lanes_(section.channels.size()),
        states_(section.units.size()),
        producer_(section.channels.size(), 0),
        consumer_(section.channels.size(), 0),
        memory_bytes_per_cycle_(chip.hbm.achieved_bytes_per_s() / chip.clock_hz),
        memory_latency_(cycles_of_seconds(chip.hbm.latency_ns * 1e-9, chip.clock_hz)) {
    for (size_t c = 0; c < lanes_.size(); ++c) {
      const Channel& channel = section.channels[c];
      Lane& lane = lanes_[c];
      for (const LaunchWork::Tokens& t : work.tokens[c])
        lane.bytes.insert(lane.bytes.end(), static_cast<size_t>(t.count), t.bytes);
      lane.ready.reserve(lane.bytes.size());
      lane.freed.reserve(lane.bytes.size());
      lane.capacity = static_cast<size_t>(channel.capacity_tokens);
      lane.latency = channel.latency_cycles;
      lane.rate = write_rate(channel, rates_[c], chip);
    }
    for (size_t u = 0; u < section.units.size(); ++u) {
      for (const InputPort& port : section.units[u].inputs) consumer_[port.channel.value] = u;
      for (const OutputPort& port : section.units[u].outputs) {
        for (const ChannelId c : port.channels) producer_[c.value] = u;
      }
      states_[u].held.resize(section.units[u].inputs.size(), false);
    }
  }

  int64_t run() {
    for (size_t u = section_.units.size(); u-- > 0;) wake(u);
    do {
      while (!awake_.empty()) {
        const size_t u = awake_.back();
        awake_.pop_back();
        states_[u].awake = false;
        go_on(u);
      }
    } while (serve_memory());
    int64_t end = 0;
    for (size_t u = 0; u < states_.size(); ++u) {
      if (states_[u].fired < section_.units[u].firings) return kNeverEnds;
      end = std::max({end, states_[u].time, states_[u].end});
    }
    return end;
  }

 private:
  struct State {
    int64_t fired = 0;
    int64_t time = 0;
    int64_t end = 0;
    int64_t done = 0;     // of a firing whose results wait for slots, and of those before
    int64_t latency = 0;  // of that firing
    int64_t result = 0;
    int64_t now = 0;  // no request of a stream arrives before
    bool works = false;
    bool asked = false;
    bool awake = false;
    std::vector<bool> held;
  };
  struct Request {
    size_t unit = 0;
    int64_t arrival = 0;
    int64_t bytes = 0;
  };

  void wake(size_t u) {
    if (states_[u].awake) return;
    states_[u].awake = true;
    awake_.push_back(u);
  }

  void go_on(size_t u) {
    State& s = states_[u];
    const Unit& unit = section_.units[u];
    while (s.fired < unit.firings) {
      if (unit.stream) {
        if (s.asked || !ask(u)) return;
      } else if (has_body(unit)) {
        if (!s.works && !fire(u)) return;
        if (!give(u)) return;
      } else if (!exchange(u)) {
        return;
      }
    }
  }

  // --- compute units and buffers

  bool fire(size_t u) {
    State& s = states_[u];
    const Unit& unit = section_.units[u];
    for (const InputPort& port : unit.inputs) {
      if (port.phases.active(s.fired) && !lanes_[port.channel.value].has_token()) return false;
    }
    const LaunchWork::Firing& kind = work_.kinds[u][work_.order[u][static_cast<size_t>(s.fired)]];
    int64_t begin = s.time;
    int64_t cycles = kind.service_cycles;
    int64_t written = 0;
    for (size_t i = 0; i < unit.inputs.size(); ++i) {
      const size_t c = unit.inputs[i].channel.value;
      if (unit.inputs[i].phases.active(s.fired)) {
        Lane& lane = lanes_[c];
        written += lane.bytes[lane.taken];
        begin = std::max(begin, lane.ready[lane.taken++]);
        s.held[i] = true;
      }
      if (rates_[c] > 0) cycles = std::max(cycles, ceil_div(kind.operand_bytes[i], rates_[c]));
    }
    if (unit.kind == UnitKind::kBuffer) cycles = std::max(cycles, moved_cycles(unit, s.fired, written));
    s.time = begin + cycles;
    s.latency = kind.latency_cycles;
    s.result = kind.result_cycles;
    s.works = true;
    release(u);
    return true;
  }

  // Of a buffer: what it takes and hands on passes its PMUs' ports. Tokens that stay until a compute unit
  // reads them cost nothing yet.
  [[nodiscard]] int64_t moved_cycles(const Unit& unit, int64_t firing, int64_t written) const {
    int64_t read = 0;
    for (const OutputPort& port : unit.outputs) {
      const size_t c = port.channels[0].value;
      if (!port.phases.active(firing) || (rates_[c] > 0 && section_.channels[c].pmus == 0)) continue;
      read += lanes_[c].bytes[lanes_[c].ready.size()];
    }
    const int64_t ports = std::max<int64_t>(1, unit.pmus) * chip_.pmu.port_bytes_per_cycle;
    return ceil_div(std::max(written, read), ports);
  }

  // Tokens that the next firing does not hold.
  void release(size_t u) {
    State& s = states_[u];
    const Unit& unit = section_.units[u];
    for (size_t i = 0; i < unit.inputs.size(); ++i) {
      const Phases& phases = unit.inputs[i].phases;
      const int64_t next = (s.fired + 1) % phases.period;
      if (!s.held[i] || (next != 0 && (next < phases.begin || next >= phases.end))) continue;
      s.held[i] = false;
      free_slot(unit.inputs[i].channel.value, s.time);
    }
  }

  bool give(size_t u) {
    State& s = states_[u];
    const Unit& unit = section_.units[u];
    for (const OutputPort& port : unit.outputs) {
      if (port.phases.active(s.fired) && !has_space(port)) return false;
    }
    int64_t space = 0;
    for (const OutputPort& port : unit.outputs) {
      if (port.phases.active(s.fired)) space = claim(port, space);
    }
    s.time = std::max(s.time, space);
    s.done = std::max(s.done, s.time + s.latency);
    for (const OutputPort& port : unit.outputs) {
      if (port.phases.active(s.fired)) send(port, std::max(space, s.done - s.result), s.done);
    }
    s.works = false;
    ++s.fired;
    return true;
  }

  // --- exchanges

  bool exchange(size_t u) {
    State& s = states_[u];
    const Unit& unit = section_.units[u];
    const size_t input = unit.inputs[0].channel.value;
    if (!lanes_[input].has_token() || !has_space(unit.outputs[0])) return false;
    Lane& lane = lanes_[input];
    s.time = std::max(s.time, lane.ready[lane.taken]);
    if (unit.kind == UnitKind::kReceive) s.time += landing_cycles(unit, lane.taken);
    ++lane.taken;
    s.time = claim(unit.outputs[0], s.time);
    free_slot(input, s.time);
    send(unit.outputs[0], s.time, s.time);
    ++s.fired;
    return true;
  }

  // All sockets' parts pass the ports: of a sum, together what was sent; of rows put together, the row.
  [[nodiscard]] int64_t landing_cycles(const Unit& unit, size_t token) const {
    size_t c = unit.outputs[0].channels[0].value;
    if (unit.exchange->combine == Combine::kSum)
      c = section_.units[producer_[unit.inputs[0].channel.value]].inputs[0].channel.value;
    return std::max<int64_t>(
        1, ceil_div(lanes_[c].bytes[token], chip_.agcu_ports * chip_.agcu_port_bytes_per_cycle));
  }

  // --- streams

  bool ask(size_t u) {
    State& s = states_[u];
    const Unit& unit = section_.units[u];
    const bool loads = unit.kind == UnitKind::kLoad;
    if (loads && !has_space(unit.outputs[0])) return false;
    if (!unit.inputs.empty() && !lanes_[unit.inputs[0].channel.value].has_token()) return false;
    if (loads) s.now = claim(unit.outputs[0], s.now);
    int64_t bytes = 0;
    if (!unit.inputs.empty()) {
      Lane& lane = lanes_[unit.inputs[0].channel.value];
      bytes = lane.bytes[lane.taken];
      s.now = std::max(s.now, lane.ready[lane.taken++]);
    }
    if (loads) {
      const Lane& lane = lanes_[unit.outputs[0].channels[0].value];
      bytes = lane.bytes[lane.ready.size()];
    }
    s.asked = true;
    requests_.push_back({u, s.now, bytes});
    return true;
  }

  // The stream that goes first among those that have asked when the memory is free; false: nobody asks.
  bool serve_memory() {
    if (requests_.empty()) return false;
    int64_t at = requests_[0].arrival;
    for (const Request& r : requests_) at = std::min(at, r.arrival);
    at = std::max(at, static_cast<int64_t>(memory_free_));
    const auto first = [&](const Request& a, const Request& b) {
      if ((a.arrival <= at) != (b.arrival <= at)) return a.arrival <= at;
      const int p = section_.units[a.unit].stream->priority;
      const int q = section_.units[b.unit].stream->priority;
      return p != q ? p < q : a.unit < b.unit;
    };
    const auto chosen = std::min_element(requests_.begin(), requests_.end(), first);
    const Request turn = *chosen;
    requests_.erase(chosen);
    const double start = std::max(memory_free_, static_cast<double>(turn.arrival));
    memory_free_ = start + static_cast<double>(turn.bytes) / memory_bytes_per_cycle_;
    granted(turn.unit, static_cast<int64_t>(start), static_cast<int64_t>(memory_free_) + 1, at + 1);
    return true;
  }

  void granted(size_t u, int64_t start, int64_t finish, int64_t now) {
    State& s = states_[u];
    const Unit& unit = section_.units[u];
    s.now = now;
    s.time = std::max(s.time, finish);
    if (!unit.inputs.empty()) free_slot(unit.inputs[0].channel.value, std::max(s.time, now));
    if (unit.kind == UnitKind::kLoad) {
      send(unit.outputs[0], start + memory_latency_, finish + memory_latency_);
    } else {
      s.end = std::max(s.end, finish + memory_latency_);
    }
    s.asked = false;
    ++s.fired;
    wake(u);
  }

  // --- channels

  [[nodiscard]] bool has_space(const OutputPort& port) const {
    return std::all_of(port.channels.begin(), port.channels.end(),
                       [&](ChannelId c) { return lanes_[c.value].has_space(); });
  }
  int64_t claim(const OutputPort& port, int64_t since) {
    for (const ChannelId c : port.channels) since = std::max(since, lanes_[c.value].claim());
    return since;
  }
  void send(const OutputPort& port, int64_t first, int64_t last) {
    for (const ChannelId c : port.channels) {
      lanes_[c.value].send(first, last);
      wake(consumer_[c.value]);
    }
  }
  void free_slot(size_t c, int64_t at) {
    lanes_[c].freed.push_back(at);
    wake(producer_[c]);
  }

  const Section& section_;
  const LaunchWork& work_;
  const ChipSpec& chip_;
  std::vector<int64_t> rates_;  // of operand reads, by channel
  std::vector<Lane> lanes_;     // by channel
  std::vector<State> states_;   // by unit
  std::vector<size_t> producer_;
  std::vector<size_t> consumer_;
  std::vector<size_t> awake_;
  std::vector<Request> requests_;
  double memory_bytes_per_cycle_;
  int64_t memory_latency_;
  double memory_free_ = 0;
};

}  // namespace

LaunchWork launch_work(const Section& section, const SectionWork& work, const ChipSpec& chip) {
  LaunchWork out;
  out.kinds.resize(section.units.size());
  out.order.resize(section.units.size());
  for (size_t u = 0; u < section.units.size(); ++u) {
    const Unit& unit = section.units[u];
    if (!has_body(unit)) continue;
    for (const FiringKind& kind : work.work(u)) out.kinds[u].push_back(firing_of(section, unit, kind, chip));
    out.order[u] = work.order(u);
  }
  for (size_t c = 0; c < section.channels.size(); ++c) out.tokens.push_back({});
  for (size_t c = 0; c < section.channels.size(); ++c) {
    for (const SectionWork::Run& run : work.runs(c))
      out.tokens[c].push_back({run.extent.elements() * dtype_bytes(section.channels[c].dtype), run.count});
  }
  return out;
}

int64_t launch_cycles(const Section& section, const LaunchWork& work, const ChipSpec& chip) {
  return Course(section, work, chip).run();
}

}  // namespace rdusim::compiler
