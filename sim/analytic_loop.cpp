// Closed form of a looping launch that prefetches: the first iteration as any run, each later one as a run
// whose free streams have begun while the iteration before ended, so many times.
//
//   time 0 of an iteration: the stores of the one before are done
//   memory:   | prefetch (before 0) | the rest | idle |     the idle end is the next iteration's prefetch
//
// How long memory idles at the end follows from the run, and the run from how long it prefetched: swept until
// nothing changes. A stream into a channel that holds all its tokens begins when the memory is done with the
// iteration before; another needs slots, which come back as its consumer takes tokens.
// APPROX: all later iterations are alike; they are from the second or third on.
#include <algorithm>
#include <cmath>

#include "base/program/loop_order.h"
#include "sim/analytic_section.h"

namespace rdusim::sim {
namespace {

// assumed: an iteration that prefetches more ends earlier by at most as much, so it settles in two or three
// rounds where memory binds, in a few more where slots do.
constexpr int kMaxRounds = 16;
constexpr double kSettledCycles = 1e-3;

}  // namespace

// When the stream's first slots of the next iteration are free, from this iteration's begin.
template <typename Number>
Number AnalyticSection<Number>::slots_free(size_t u) const {
  const UnitModel& m = models_[u];
  Number free = streams_[static_cast<size_t>(m.tier)][*m.stream].last_done;
  for (const ChannelId c : unit(u).outputs[0].channels) {
    const Channel& channel = section_.channels[c.value];
    const size_t consumer = ends_[c.value].consumer->value;
    const Phases& taken = unit(consumer).inputs[ends_[c.value].input_port].phases;
    // The slots beyond an iteration's tokens are free at once; else the first comes back after its uses.
    if (channel.capacity_tokens > flows_[c.value].tokens) continue;
    const Number uses = static_cast<double>(std::min(taken.period, unit(consumer).firings)) /
                        static_cast<double>(taken.end - taken.begin);
    const Number first = models_[consumer].start + uses * models_[consumer].service;
    free = std::max<Number>(free, std::min<Number>(first, models_[consumer].end));
  }
  for (const size_t reader : loop_order_[u]) free = std::max<Number>(free, models_[reader].end);
  return free;
}

// Streams that wait for nothing of the iteration before are released as early as it leaves them memory and
// slots.
template <typename Number>
void AnalyticSection<Number>::release_free_streams(const std::vector<LoopWait>& waits) {
  // What stores write at the very end does not keep the memory from reading.
  Number loaded = 0;
  for (size_t u = 0; u < models_.size(); ++u) {
    if (models_[u].stream && unit(u).kind == UnitKind::kLoad)
      loaded = std::max<Number>(loaded, stream_of(models_[u]).last_done);
  }
  const Number end = finish_;
  for (size_t u = 0; u < models_.size(); ++u) {
    UnitModel& m = models_[u];
    if (!m.stream) continue;
    if (!unit(u).inputs.empty()) {  // its tokens come earlier than in the round before: settle() finds when
      stream_of(m).release = stream_of(m).gate = 0;
      continue;
    }
    if (waits[u] == LoopWait::kStores) continue;
    const Number from = std::max<Number>(slots_free(u), loaded);
    FluidStream& s = stream_of(m);
    s.release = std::min<Number>(0, from - end);
    if (s.gate <= 0) s.gate = s.release;  // its consumers wait for nothing else
  }
}

template <typename Number>
void AnalyticSection<Number>::loop() {
  const std::vector<LoopWait> waits = loop_waits(program_, launch_);
  loop_order_ = loop_order(program_, launch_);
  const Number first = finish_;
  if (head_start_.cycles > 0) end_head_start();
  for (int round = 0; round < kMaxRounds; ++round) {
    const Number before = finish_;
    release_free_streams(waits);
    settle();
    if (std::abs(value_of(finish_ - before)) < kSettledCycles) break;
  }
  iteration_ = finish_;
  finish_ = first + static_cast<double>(launch_.iterations - 1) * iteration_;
}

template void AnalyticSection<double>::loop();
template void AnalyticSection<Dual>::loop();

}  // namespace rdusim::sim
