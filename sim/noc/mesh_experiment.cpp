#include "sim/noc/mesh_experiment.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "sim/noc/geometric.h"
#include "sim/noc/mesh_network.h"

namespace rdusim::sim::noc {
namespace {

enum class Phase : uint8_t { kWarmup, kMeasure, kDrain };

// Sums and a histogram of whole-cycle latencies.
struct LatencyCount {
  int64_t packets = 0;
  int64_t latency_sum = 0;
  int64_t network_sum = 0;
  int64_t hops_sum = 0;
  std::vector<int64_t> histogram;

  void clear() {
    packets = latency_sum = network_sum = hops_sum = 0;
    std::fill(histogram.begin(), histogram.end(), 0);
  }
  void add(int64_t latency, int64_t network, int64_t hops) {
    ++packets;
    latency_sum += latency;
    network_sum += network;
    hops_sum += hops;
    if (static_cast<size_t>(latency) >= histogram.size())
      histogram.resize(static_cast<size_t>(latency) * 2 + 1, 0);
    ++histogram[static_cast<size_t>(latency)];
  }
  [[nodiscard]] double mean(int64_t sum) const {
    return packets == 0 ? 0 : static_cast<double>(sum) / static_cast<double>(packets);
  }
  // Smallest latency that at least `share` of the packets do not exceed.
  [[nodiscard]] int64_t quantile(double share) const {
    const auto wanted = static_cast<int64_t>(std::ceil(share * static_cast<double>(packets)));
    int64_t seen = 0;
    for (size_t i = 0; i < histogram.size(); ++i) {
      seen += histogram[i];
      if (seen >= std::max<int64_t>(1, wanted)) return static_cast<int64_t>(i);
    }
    return 0;
  }
};

class Experiment {
 public:
  Experiment(const MeshSpec& mesh, const MeshLoad& load, const MeasureRules& rules)
      : mesh_(mesh),
        load_(load),
        rules_(rules),
        network_(mesh),
        gaps_(load.injection_rate / static_cast<double>(load.packet_flits)) {
    const auto nodes = static_cast<size_t>(mesh.nodes());
    streams_.reserve(nodes);
    next_packet_.resize(nodes);
    for (size_t node = 0; node < nodes; ++node) {
      Random seed(load.seed * 0x9E3779B97F4A7C15ULL + node);
      streams_.emplace_back(seed.next());
      next_packet_[node] = gaps_.draw(streams_[node]);
      schedule(static_cast<uint32_t>(node), next_packet_[node]);
    }
  }

  MeshMeasurement run() {
    const bool steady = rules_.fixed_measure_cycles > 0 ? sample_once() : sample_until_steady();
    if (steady) drain();
    return result();
  }

 private:
  struct Packet {
    int64_t created = 0;
    int64_t entered = 0;
    uint32_t source = 0;
    uint32_t destination = 0;
    int64_t flits_left = 0;
    bool measured = false;
  };

  // False: unstable.
  bool sample_until_steady() {
    double last_latency = 0;
    double last_accepted = 0;
    int64_t steady = 0;
    bool clear_next = false;
    for (int64_t sample = 0; sample < rules_.max_samples; ++sample) {
      if (phase_ == Phase::kMeasure && steady == rules_.steady_samples) break;
      if (clear_next || (phase_ == Phase::kWarmup && sample % 2 == 0)) clear_counts();
      clear_next = false;
      run_to(now_ + rules_.sample_cycles);
      if (over_limit()) return stable_ = false;
      const double latency = counts_.mean(counts_.latency_sum);
      const double accepted = static_cast<double>(accepted_flits_) / static_cast<double>(now_ - counts_from_);
      const bool changed = std::abs(latency - last_latency) > rules_.tolerance * latency ||
                           std::abs(accepted - last_accepted) > rules_.tolerance * accepted;
      last_latency = latency;
      last_accepted = accepted;
      if (phase_ == Phase::kWarmup) {
        if (sample + 1 < rules_.warmup_samples) continue;
        phase_ = Phase::kMeasure;
        clear_next = true;
      } else {
        steady = changed ? 0 : steady + 1;
      }
    }
    return stable_ = phase_ == Phase::kMeasure;
  }

  bool sample_once() {
    run_to(rules_.fixed_warmup_cycles);
    clear_counts();
    phase_ = Phase::kMeasure;
    run_to(now_ + rules_.fixed_measure_cycles);
    return stable_ = !over_limit();
  }

  // Sources go on meanwhile, so that measured packets meet the traffic they were created in.
  void drain() {
    phase_ = Phase::kDrain;
    drain_from_ = now_;
    accepted_in_samples_ = accepted_flits_;
    entered_in_samples_ = entered_flits_;
    constexpr int64_t kCheck = 1000;
    int64_t next_check = now_ + kCheck;
    while (measured_under_way_ > 0 || !queues_emptied()) {
      run_to(now_ + 1);
      if (now_ < next_check) continue;
      next_check += kCheck;
      if (over_limit()) {
        stable_ = false;
        return;
      }
    }
  }
  // Every packet that was due before the drain began has been taken up by its source.
  [[nodiscard]] bool queues_emptied() const {
    return std::all_of(next_packet_.begin(), next_packet_.end(), [&](int64_t t) { return t >= drain_from_; });
  }

  void run_to(int64_t end) {
    while (true) {
      int64_t next = started_ ? network_.next_event() : MeshNetwork::kNever;
      if (!due_.empty()) next = std::min(next, static_cast<int64_t>(due_.front() >> 16));
      if (next >= end) break;
      step(next);
    }
    now_ = end;
  }

  void step(int64_t cycle) {
    started_ = true;
    network_.begin_cycle(cycle);
    for (const auto& delivery : network_.deliveries()) arrive(delivery, cycle);
    while (!due_.empty() && static_cast<int64_t>(due_.front() >> 16) <= cycle) {
      std::pop_heap(due_.begin(), due_.end(), std::greater<>());
      const auto node = static_cast<uint32_t>(due_.back() & 0xFFFF);
      due_.pop_back();
      offer(node);
    }
    network_.finish_cycle();
    for (const auto& departure : network_.departures()) depart(departure, cycle);
  }

  void schedule(uint32_t node, int64_t cycle) {
    due_.push_back(static_cast<uint64_t>(cycle) << 16 | node);
    std::push_heap(due_.begin(), due_.end(), std::greater<>());
  }

  void offer(uint32_t node) {
    if (free_.empty()) {
      free_.push_back(static_cast<uint32_t>(packets_.size()));
      packets_.emplace_back();
    }
    const uint32_t number = free_.back();
    free_.pop_back();
    Packet& packet = packets_[number];
    packet.created = next_packet_[node];
    packet.source = node;
    packet.destination = destination(load_.traffic, mesh_, node, streams_[node]);
    packet.flits_left = load_.packet_flits;
    packet.measured = phase_ == Phase::kMeasure || (phase_ == Phase::kDrain && packet.created < drain_from_);
    measured_under_way_ += packet.measured ? 1 : 0;
    next_packet_[node] += 1 + gaps_.draw(streams_[node]);
    network_.offer(node, number, packet.destination, static_cast<uint32_t>(load_.packet_flits));
  }

  void depart(const MeshNetwork::Departure& departure, int64_t cycle) {
    ++entered_flits_;
    if (departure.head) packets_[departure.packet].entered = cycle;
    if (departure.tail) schedule(departure.node, std::max(next_packet_[departure.node], cycle + 1));
  }

  void arrive(const MeshNetwork::Delivery& delivery, int64_t cycle) {
    ++accepted_flits_;
    Packet& packet = packets_[delivery.packet];
    RDU_CHECK(packet.destination == delivery.node, "packet {} for node {} came to {}", delivery.packet,
              packet.destination, delivery.node);
    --packet.flits_left;
    if (!delivery.tail) return;
    if (phase_ == Phase::kWarmup || packet.measured) {
      counts_.add(cycle - packet.created, cycle - packet.entered,
                  1 + mesh_distance(mesh_, packet.source, packet.destination));
    }
    measured_under_way_ -= packet.measured ? 1 : 0;
    free_.push_back(delivery.packet);
  }

  // Mean latency with every flit under way counted at its age.
  [[nodiscard]] bool over_limit() const {
    auto sum = static_cast<double>(counts_.latency_sum);
    auto count = static_cast<double>(counts_.packets);
    for (const Packet& packet : packets_) {
      sum += static_cast<double>(packet.flits_left * (now_ - packet.created));
      count += static_cast<double>(packet.flits_left);
    }
    return sum > rules_.latency_limit_cycles * count;
  }

  void clear_counts() {
    counts_.clear();
    accepted_flits_ = entered_flits_ = 0;
    counts_from_ = now_;
  }

  [[nodiscard]] MeshMeasurement result() const {
    MeshMeasurement m;
    m.stable = stable_;
    m.mean_latency_cycles = counts_.mean(counts_.latency_sum);
    m.mean_network_latency_cycles = counts_.mean(counts_.network_sum);
    m.mean_hops = counts_.mean(counts_.hops_sum);
    m.packets = counts_.packets;
    m.min_latency_cycles = counts_.quantile(0);
    m.p50_latency_cycles = counts_.quantile(0.5);
    m.p99_latency_cycles = counts_.quantile(0.99);
    m.max_latency_cycles = counts_.quantile(1);
    const bool drained = phase_ == Phase::kDrain;
    const auto node_cycles = static_cast<double>((drained ? drain_from_ : now_) - counts_from_) *
                             static_cast<double>(mesh_.nodes());
    m.accepted_flits_per_node_cycle =
        static_cast<double>(drained ? accepted_in_samples_ : accepted_flits_) / node_cycles;
    m.offered_flits_per_node_cycle =
        static_cast<double>(drained ? entered_in_samples_ : entered_flits_) / node_cycles;
    m.cycles = now_;
    m.flit_hops = network_.flit_hops();
    for (uint32_t node = 0; node < static_cast<uint32_t>(mesh_.nodes()); ++node) {
      for (unsigned port = 0; port < kPorts; ++port) m.link_flits.push_back(network_.link_flits(node, port));
    }
    return m;
  }

  // configuration
  const MeshSpec mesh_;
  const MeshLoad load_;
  const MeasureRules rules_;
  // state
  MeshNetwork network_;
  Geometric gaps_;
  std::vector<Random> streams_;       // one a node
  std::vector<int64_t> next_packet_;  // of a node: creation of the first packet that it has not taken up
  std::vector<uint64_t> due_;         // heap of cycle << 16 | node: when a node takes up its next packet
  std::vector<Packet> packets_;
  std::vector<uint32_t> free_;
  Phase phase_ = Phase::kWarmup;
  bool started_ = false;
  bool stable_ = false;
  int64_t now_ = 0;
  int64_t drain_from_ = 0;
  int64_t measured_under_way_ = 0;
  // statistics
  LatencyCount counts_;
  int64_t counts_from_ = 0;
  int64_t accepted_flits_ = 0;
  int64_t entered_flits_ = 0;
  int64_t accepted_in_samples_ = 0;
  int64_t entered_in_samples_ = 0;
};

Status check_load(const MeshSpec& mesh, const MeshLoad& load, const MeasureRules& rules) {
  RDU_CHECK_OK(validate(mesh, "mesh"));
  RDU_CHECK_OK(check_traffic(load.traffic, mesh));
  const auto wrong = [](const char* what) { return Error{ErrorCode::kOutOfRange, "mesh load", what, ""}; };
  if (load.packet_flits < 1 || load.packet_flits > 4096) return wrong("packets have 1 to 4096 flits");
  if (!(load.injection_rate > 0) || load.injection_rate > 1)
    return wrong("the injection rate is above 0, at most 1");
  if (rules.fixed_warmup_cycles < 0 || rules.fixed_measure_cycles < 0)
    return wrong("cycles are not negative");
  if (rules.sample_cycles < 1 || rules.warmup_samples < 0 || rules.max_samples <= rules.warmup_samples)
    return wrong("samples have at least one cycle, and there are more of them than warm-up samples");
  return {};
}

}  // namespace

Result<MeshMeasurement> measure(const MeshSpec& mesh, const MeshLoad& load, const MeasureRules& rules) {
  RDU_CHECK_OK(check_load(mesh, load, rules));
  return Experiment(mesh, load, rules).run();
}

Result<Saturation> find_saturation(const MeshSpec& mesh, MeshLoad load, const MeasureRules& rules,
                                   double width) {
  Saturation out;
  load.injection_rate = kZeroLoadRate;
  MeasureRules long_samples = rules;
  long_samples.sample_cycles = rules.sample_cycles * 40;  // few packets a cycle at this rate
  RDU_ASSIGN(const auto idle, measure(mesh, load, long_samples));
  out.zero_load_latency_cycles = idle.mean_latency_cycles;
  out.runs = 1;
  const auto saturates = [&](double rate) -> Result<bool> {
    load.injection_rate = rate;
    RDU_ASSIGN(const auto m, measure(mesh, load, rules));
    ++out.runs;
    return !m.stable || m.mean_latency_cycles > kSaturationFactor * out.zero_load_latency_cycles;
  };
  constexpr int kSteps = 20;  // of 0.05
  double low = 0;
  double high = 1;
  bool found = false;
  for (int step = 1; step <= kSteps && !found; ++step) {
    RDU_ASSIGN(found, saturates(static_cast<double>(step) / kSteps));
    (found ? high : low) = static_cast<double>(step) / kSteps;
  }
  if (!found) {
    out.rate = 1;
    return out;
  }
  while (high - low > width) {
    RDU_ASSIGN(const bool over, saturates((low + high) / 2));
    (over ? high : low) = (low + high) / 2;
  }
  out.rate = (low + high) / 2;
  out.bracket = high - low;
  return out;
}

}  // namespace rdusim::sim::noc
