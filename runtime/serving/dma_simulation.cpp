// Chunks through two round-robin servers; see dma_simulation.h.
#include "runtime/serving/dma_simulation.h"

#include <algorithm>
#include <array>
#include <optional>
#include <queue>
#include <tuple>
#include <vector>

#include "base/check.h"
#include "runtime/serving/bandwidth_share.h"

namespace rdusim::runtime {
namespace {

enum Tier : size_t { kHbmTier, kStoreTier, kTiers };
enum Source : size_t { kCopySource, kPassSource, kSources };
enum class Kind : uint8_t { kServed, kStartCopyChunk, kConsume };

// One server of a memory tier.
struct Server {
  double bytes_per_s = 0;
  std::array<int64_t, kSources> waiting{};
  std::optional<Source> serving;
  size_t turn = 0;
};

class Simulation {
 public:
  explicit Simulation(const DmaLoad& load) : load_(load) {
    tiers_[kHbmTier].bytes_per_s = load.hbm_bytes_per_s;
    tiers_[kStoreTier].bytes_per_s = load.store_bytes_per_s;
    copy_chunks_ = (load.copy_bytes + load.chunk_bytes - 1) / load.chunk_bytes;
    const int64_t pass_bytes[kTiers] = {load.pass_hbm_bytes, load.pass_store_bytes};
    for (size_t t = 0; t < kTiers; ++t) {
      lanes_[t].chunks_per_pass = pass_bytes[t] / load.chunk_bytes;
      if (lanes_[t].chunks_per_pass > 0)
        lanes_[t].interval_ps = load.pass_time.value / lanes_[t].chunks_per_pass;
    }
    start_interval_ps_ = chunk_time(load.dma_bytes_per_s);
  }

  DmaTimes run() {
    // The passes run before the copy begins and after it ends: the copy sees them in full swing.
    for (size_t t = 0; t < kTiers; ++t) refill(t);
    schedule(start_interval_ps_, Kind::kStartCopyChunk, 0);
    while (!events_.empty() && written_ < copy_chunks_) {
      const auto [time, order, kind, tier] = events_.top();
      events_.pop();
      now_ = time;
      if (kind == Kind::kServed) served(tier);
      if (kind == Kind::kStartCopyChunk) start_copy_chunk();
      if (kind == Kind::kConsume) consume(tier);
    }
    return result();
  }

 private:
  // What the pass reads from one tier: a bounded number of chunks ahead of their use.
  struct Lane {
    int64_t chunks_per_pass = 0;
    int64_t interval_ps = 0;  // of use, alone
    int64_t in_flight = 0;
    int64_t ready = 0;
    int64_t consumed = 0;
    bool consuming = false;
  };
  using Event = std::tuple<int64_t, int64_t, Kind, size_t>;  // time, order, what, tier

  [[nodiscard]] int64_t chunk_time(double bytes_per_s) const {
    return transfer_time(Bytes(load_.chunk_bytes), BytesPerSecond{bytes_per_s}).value;
  }
  void schedule(int64_t after_ps, Kind kind, size_t tier) {
    events_.emplace(now_ + after_ps, order_++, kind, tier);
  }

  void start_copy_chunk() {
    if (started_ == copy_chunks_) return;
    if (started_ - written_ >= load_.window) {
      stalled_ = true;
      return;
    }
    ++started_;
    request(kStoreTier, kCopySource);
    schedule(start_interval_ps_, Kind::kStartCopyChunk, 0);
  }

  void request(size_t tier, Source source) {
    ++tiers_[tier].waiting[source];
    serve_next(tier);
  }

  void serve_next(size_t tier) {
    Server& server = tiers_[tier];
    if (server.serving) return;
    for (size_t i = 0; i < kSources; ++i) {
      const size_t source = (server.turn + i) % kSources;
      if (server.waiting[source] == 0) continue;
      --server.waiting[source];
      server.serving = static_cast<Source>(source);
      server.turn = source + 1;
      schedule(chunk_time(server.bytes_per_s), Kind::kServed, tier);
      return;
    }
  }

  void served(size_t tier) {
    const Source source = *tiers_[tier].serving;
    tiers_[tier].serving.reset();
    ++chunks_served_;
    if (source == kPassSource) {
      --lanes_[tier].in_flight;
      ++lanes_[tier].ready;
      use(tier);
    } else if (tier == kStoreTier) {
      request(kHbmTier, kCopySource);
    } else {
      ++written_;
      if (stalled_) {
        stalled_ = false;
        schedule(0, Kind::kStartCopyChunk, 0);
      }
    }
    serve_next(tier);
  }

  // Lanes of one pass go in step: the lane that is behind holds the other back, so that a pass that reads two
  // tiers is as fast as its slower one.
  [[nodiscard]] bool ahead(size_t tier) const {
    const Lane& mine = lanes_[tier];
    const Lane& other = lanes_[1 - tier];
    if (other.chunks_per_pass == 0) return false;
    return mine.consumed * other.chunks_per_pass > (other.consumed + 1) * mine.chunks_per_pass;
  }
  void use(size_t tier) {
    Lane& lane = lanes_[tier];
    if (lane.consuming || lane.ready == 0 || ahead(tier)) return;
    lane.consuming = true;
    schedule(lane.interval_ps, Kind::kConsume, tier);
  }
  void consume(size_t tier) {
    Lane& lane = lanes_[tier];
    lane.consuming = false;
    --lane.ready;
    ++lane.consumed;
    for (size_t t = 0; t < kTiers; ++t) {
      refill(t);
      use(t);
    }
  }
  void refill(size_t tier) {
    Lane& lane = lanes_[tier];
    if (lane.chunks_per_pass == 0) return;
    while (lane.in_flight + lane.ready < load_.window) {
      ++lane.in_flight;
      request(tier, kPassSource);
    }
  }

  [[nodiscard]] DmaTimes result() const {
    RDU_CHECK(written_ == copy_chunks_, "{} of {} chunks written", written_, copy_chunks_);
    DmaTimes times{Picoseconds(now_), 1, chunks_served_};
    const Lane& lane = lanes_[lanes_[kHbmTier].chunks_per_pass > 0 ? kHbmTier : kStoreTier];
    if (lane.chunks_per_pass > 0) {
      times.pass_speed = static_cast<double>(lane.consumed) * static_cast<double>(lane.interval_ps) /
                         static_cast<double>(now_);
    }
    return times;
  }

  const DmaLoad& load_;
  std::array<Server, kTiers> tiers_;
  std::array<Lane, kTiers> lanes_;
  std::priority_queue<Event, std::vector<Event>, std::greater<>> events_;
  int64_t copy_chunks_ = 0;
  int64_t start_interval_ps_ = 0;
  int64_t now_ = 0;
  int64_t order_ = 0;
  int64_t started_ = 0;
  int64_t written_ = 0;
  bool stalled_ = false;
  int64_t chunks_served_ = 0;
};

}  // namespace

DmaTimes simulate_dma_under_load(const DmaLoad& load) {
  RDU_CHECK(load.copy_bytes > 0 && load.chunk_bytes > 0 && load.window > 0, "copy of {} B in chunks of {} B",
            load.copy_bytes, load.chunk_bytes);
  return Simulation(load).run();
}

DmaTimes fluid_dma_under_load(const DmaLoad& load) {
  const double pass_s = seconds(load.pass_time);
  const auto rate = [&](int64_t bytes) { return pass_s > 0 ? static_cast<double>(bytes) / pass_s : 0; };
  const SharedSpeeds speeds = share_bandwidth({load.hbm_bytes_per_s, load.store_bytes_per_s, 0},
                                              {rate(load.pass_hbm_bytes), rate(load.pass_store_bytes), 0},
                                              {load.dma_bytes_per_s, load.dma_bytes_per_s, 0});
  const Picoseconds alone = transfer_time(Bytes(load.copy_bytes), BytesPerSecond{load.dma_bytes_per_s});
  return {Picoseconds(time_for(alone.value, fixed_point_speed(speeds.copy))), speeds.pass, 0};
}

}  // namespace rdusim::runtime
