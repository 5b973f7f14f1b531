#include "sim/dram/traffic.h"

#include <algorithm>
#include <span>

#include "base/arch/dram_fields.h"
#include "base/arch/dram_mapping.h"
#include "base/check.h"
#include "sim/dram/traffic_source.h"

namespace rdusim::sim {
namespace {

Error traffic_error(const std::string& what) {
  return {ErrorCode::kInvalidInput, "traffic", what, ""};
}

Status check_traffic(const DramSpec& spec, const DramTraffic& traffic) {
  const int64_t burst = spec.organisation.burst_bytes;
  if (traffic.bursts < 10) return traffic_error("fewer than 10 bursts measure nothing");
  if (traffic.window_bytes < burst) return traffic_error("the window is below one burst");
  if (traffic.granule_bytes < burst || traffic.granule_bytes % burst != 0) {
    return traffic_error("granules must be whole bursts of " + std::to_string(burst) + " bytes");
  }
  const int64_t capacity = spec.organisation.channel_bytes() * spec.organisation.channels;
  if (traffic.granule_bytes > capacity || capacity < 4096) return traffic_error("the device is too small");
  if (traffic.streams < 1 || traffic.streams > 65'536) return traffic_error("1 to 65536 streams");
  if (traffic.direction == DramDirection::kShare &&
      (traffic.pattern != DramPattern::kStreams || traffic.write_share <= 0 || traffic.write_share >= 1)) {
    return traffic_error("a write share between 0 and 1 goes with pattern streams");
  }
  if (traffic.source_queue < 1) return traffic_error("the source needs a queue");
  return {};
}

// Latencies in ticks, counted: all but a few are short, so nothing has to be sorted.
class LatencyCounts {
 public:
  void add(int64_t ticks) {
    ++total_;
    if (ticks < kShort) [[likely]] {
      ++short_[static_cast<size_t>(ticks)];
    } else {
      long_.push_back(ticks);
    }
  }
  [[nodiscard]] int64_t total() const { return total_; }
  // Nearest rank; reorders the long ones.
  double quantile(double share) {
    if (total_ == 0) return 0;
    const auto rank = std::min(static_cast<int64_t>(share * static_cast<double>(total_)), total_ - 1);
    int64_t below = 0;
    for (size_t ticks = 0; ticks < short_.size(); ++ticks) {
      below += short_[ticks];
      if (below > rank) return static_cast<double>(ticks);
    }
    const auto at = long_.begin() + static_cast<std::ptrdiff_t>(rank - below);
    std::nth_element(long_.begin(), at, long_.end());
    return static_cast<double>(*at);
  }

 private:
  static constexpr int64_t kShort = 4096;
  int64_t total_ = 0;
  std::vector<int64_t> short_ = std::vector<int64_t>(kShort);  // [ticks]
  std::vector<int64_t> long_;
};

class TrafficRun {
 public:
  TrafficRun(const DramSpec& spec, const DramTraffic& traffic, const DramMapping& mapping);
  DramResult run();

 private:
  struct Outstanding {
    int64_t made = 0;      // first tick that could have seen it
    int64_t accepted = 0;  // first tick in which its controller sees it
    DramLocation location;
    bool write = false;
  };
  struct Channel {
    std::unique_ptr<DramController> controller;
    Ring<Outstanding*> queue;  // bursts that wait for the controller
  };

  template <bool kOne>  // a device of one channel, which the compiler then knows
  auto channels();
  template <bool kOne>
  DramResult run_channels();
  template <bool kOne>
  void make(int64_t tick);
  static void send(Channel& channel, int64_t tick);
  void complete(DramController& controller, int64_t tick);
  template <bool kOne>
  int64_t step();
  void summarise(DramResult& result);

  const DramSpec& spec_;
  const DramTraffic& traffic_;
  const int64_t bursts_;
  const size_t source_queue_;
  DramAddressMap map_;
  DramAddressMap::Walker walker_{map_};
  DramTrafficSource source_;
  std::vector<Channel> channels_;
  std::vector<Outstanding> outstanding_;
  std::vector<Outstanding*> free_;
  int64_t made_ = 0;
  int64_t done_ = 0;
  Outstanding* next_ = nullptr;  // the burst that waits for its channel's queue, if one does
  int64_t begin_tick_ = -1;      // of the measurement
  int64_t begin_done_ = 0;
  int64_t end_tick_ = -1;
  int64_t end_done_ = 0;
  LatencyCounts latencies_;
  int64_t latency_sum_ = 0;
  int64_t controller_latency_sum_ = 0;
};

TrafficRun::TrafficRun(const DramSpec& spec, const DramTraffic& traffic, const DramMapping& mapping)
    : spec_(spec),
      traffic_(traffic),
      bursts_(traffic.bursts),
      source_queue_(static_cast<size_t>(traffic.source_queue)),
      map_(spec.organisation, mapping),
      source_(spec, traffic) {
  channels_.resize(static_cast<size_t>(spec.organisation.channels));
  for (Channel& channel : channels_) channel.controller = DramController::make(spec);
  const int64_t window = traffic.window_bytes * spec.organisation.channels / spec.organisation.burst_bytes;
  outstanding_.resize(static_cast<size_t>(std::min(window, traffic.bursts)));
  for (size_t i = outstanding_.size(); i > 0; --i) free_.push_back(&outstanding_[i - 1]);
}

template <bool kOne>
auto TrafficRun::channels() {
  return std::span < Channel,
         kOne ? 1 : std::dynamic_extent > (channels_.data(), kOne ? 1 : channels_.size());
}

// What the source does between two ticks; `tick` is the first that sees it.
template <bool kOne>
inline void TrafficRun::make(int64_t tick) {
  while (made_ < bursts_) {
    Outstanding* next = next_;
    if (next == nullptr) {
      if (free_.empty()) break;
      next = free_.back();
      free_.pop_back();
      const DramBurst burst = source_.next();
      next->location = walker_.decode(burst.address);
      next->write = burst.write;
    }
    const auto channel = kOne ? 0 : static_cast<size_t>(next->location.channel);
    Ring<Outstanding*>& queue = channels_[channel].queue;
    if (queue.size() >= source_queue_) {
      next_ = next;
      break;
    }
    next_ = nullptr;
    next->made = tick;
    queue.push(next);
    if (++made_ == bursts_) {
      end_tick_ = tick;
      end_done_ = done_;
    }
  }
}

inline void TrafficRun::send(Channel& channel, int64_t tick) {
  DramController& controller = *channel.controller;
  while (!channel.queue.empty()) {
    Outstanding* head = channel.queue.front();
    if (!controller.can_accept(head->write)) break;
    head->accepted = tick;
    controller.submit(head->location, head->write, tick, reinterpret_cast<uintptr_t>(head));
    channel.queue.pop();
  }
}

inline void TrafficRun::complete(DramController& controller, int64_t tick) {
  while (controller.next_completion() <= tick) {
    const DramCompletion completion = controller.pop_completion();
    auto* burst = reinterpret_cast<Outstanding*>(completion.tag);
    ++done_;
    free_.push_back(burst);
    if (begin_tick_ < 0 && done_ * 5 >= bursts_) {
      begin_tick_ = tick;
      begin_done_ = done_;
    }
    if (completion.write || begin_tick_ < 0) continue;
    const int64_t latency = completion.tick - burst->made;
    latencies_.add(latency);
    latency_sum_ += latency;
    controller_latency_sum_ += completion.tick - burst->accepted;
  }
}

// The next tick in which anything happens; what happens in it.
template <bool kOne>
inline int64_t TrafficRun::step() {
  int64_t tick = kNever;
  for (const Channel& channel : channels<kOne>()) {
    const DramController& controller = *channel.controller;
    tick = std::min(tick, std::min(controller.next_tick(), controller.next_completion()));
  }
  RDU_CHECK(tick < kNever, "DRAM traffic stands still with {} of {} bursts done", done_, bursts_);
  for (Channel& channel : channels<kOne>()) {
    DramController& controller = *channel.controller;
    if (controller.next_tick() <= tick) controller.tick(tick);
    complete(controller, tick);
  }
  return tick;
}

template <bool kOne>
DramResult TrafficRun::run_channels() {
  DramResult result;
  for (int64_t tick = 0;; tick = step<kOne>()) {
    result.ticks = tick;
    if (done_ == bursts_) break;
    make<kOne>(tick + 1);
    for (Channel& channel : channels<kOne>()) send(channel, tick + 1);
  }
  summarise(result);
  return result;
}

DramResult TrafficRun::run() {
  return channels_.size() == 1 ? run_channels<true>() : run_channels<false>();
}

void add(DramStats& sum, const DramStats& s) {
  for (const auto counter :
       {&DramStats::reads, &DramStats::writes, &DramStats::activates, &DramStats::precharges,
        &DramStats::refreshes, &DramStats::bank_refreshes, &DramStats::row_hits, &DramStats::row_misses,
        &DramStats::row_conflicts, &DramStats::forwarded_reads, &DramStats::coalesced_writes,
        &DramStats::turnarounds}) {
    sum.*counter += s.*counter;
  }
}

// What holds the bandwidth down: the fullest resource if it is nearly full outside refresh. A word for the
// reader, which no number depends on. assumed: "nearly full" is 85 % of the open time; a tenth of it in
// turnarounds counts as their doing; a source that keeps less than half of the read queue filled is what is
// too slow.
std::string bound_of(const DramSpec& spec, const DramResult& r, double turnaround_share) {
  const double open = 1 - r.refresh_share;
  const double nearly_full = 0.85 * open;
  const double most = std::max(r.data_bus_share, r.activate_window_share);
  if (most >= nearly_full) {
    return r.data_bus_share >= r.activate_window_share ? "data_bus" : "activate_window";
  }
  if (r.busiest_bank_share >= nearly_full) return "bank_conflicts";
  if (turnaround_share >= 0.1 * open) return "turnaround";
  const double held = r.bandwidth_bytes_per_s * r.controller_latency_ns * 1e-9 /
                      static_cast<double>(spec.organisation.burst_bytes * spec.organisation.channels);
  return held < 0.5 * static_cast<double>(spec.controller.read_queue) ? "window" : "scheduling";
}

void TrafficRun::summarise(DramResult& r) {
  const double tick_s = static_cast<double>(spec_.timings.tick_ps) * 1e-12;
  r.bursts_done = done_;
  r.measured_ticks = end_tick_ - begin_tick_;
  r.measured_bytes = (end_done_ - begin_done_) * spec_.organisation.burst_bytes;
  r.bandwidth_bytes_per_s = r.measured_ticks > 0 ? static_cast<double>(r.measured_bytes) /
                                                       (static_cast<double>(r.measured_ticks) * tick_s)
                                                 : 0;
  r.fraction_of_peak = r.bandwidth_bytes_per_s / spec_.peak_bytes_per_s();
  const auto reads = static_cast<double>(std::max<int64_t>(1, latencies_.total()));
  r.latency_ns = static_cast<double>(latency_sum_) / reads * spec_.tick_ns();
  r.controller_latency_ns = static_cast<double>(controller_latency_sum_) / reads * spec_.tick_ns();
  r.latency_p50_ns = latencies_.quantile(0.5) * spec_.tick_ns();
  r.latency_p99_ns = latencies_.quantile(0.99) * spec_.tick_ns();
  for (const Channel& channel : channels_) add(r.stats, channel.controller->stats());

  const DramTiming timing(spec_);
  const DramShape shape(spec_);
  const auto share = [&](int64_t ticks, int64_t parts) {
    return static_cast<double>(ticks) / static_cast<double>(parts * spec_.organisation.channels * r.ticks);
  };
  r.data_bus_share = share((r.stats.reads + r.stats.writes) * timing.burst, shape.pseudo_channels);
  r.activate_window_share =
      share(r.stats.activates * std::max(timing.faw, 4 * timing.rrd_s) / 4, shape.domains);
  r.refresh_share = share(r.stats.refreshes * spec_.timings.rfc, shape.domains) +
                    share(r.stats.bank_refreshes * spec_.timings.rfc_bank, shape.banks_per_channel);
  int64_t busiest = 0;
  for (const Channel& channel : channels_) busiest = std::max(busiest, channel.controller->most_activates());
  r.busiest_bank_share = static_cast<double>(busiest * timing.act_act) / static_cast<double>(r.ticks);
  const int64_t lost = r.stats.turnarounds * (timing.rd_wr + timing.wr_rd_s - 2 * timing.burst) / 2;
  r.bound_by = bound_of(spec_, r, share(lost, shape.pseudo_channels));
}

}  // namespace

Result<DramResult> run_dram_traffic(const DramSpec& spec, const DramTraffic& traffic) {
  RDU_CHECK_OK(check_dram(spec));
  RDU_CHECK_OK(check_traffic(spec, traffic));
  RDU_ASSIGN(const DramMapping mapping, parse_dram_mapping(spec.controller.mapping, spec.organisation));
  return TrafficRun(spec, traffic, mapping).run();
}

}  // namespace rdusim::sim
