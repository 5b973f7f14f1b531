#include "sim/stream_schedule.h"

#include <algorithm>
#include <limits>
#include <numeric>

namespace rdusim::sim {

namespace {

constexpr double kNever = std::numeric_limits<double>::infinity();

struct Progress {
  double served = 0;
  double ahead = 0;
  double total = 0;
  // Cycles of service that may be given at time t, not yet given.
  [[nodiscard]] double available(const FluidStream& s, double t) const {
    if (t < s.release) return 0;
    return (t < s.gate ? ahead : total) - served;
  }
  [[nodiscard]] double next_release(const FluidStream& s, double t) const {
    if (t < s.release) return s.release;
    return t < s.gate && served < total ? s.gate : kNever;
  }
};

}  // namespace

double schedule_streams(std::vector<FluidStream>& streams) {
  std::vector<size_t> order(streams.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return streams[a].priority != streams[b].priority ? streams[a].priority < streams[b].priority
                                                      : streams[a].order < streams[b].order;
  });
  std::vector<Progress> progress(streams.size());
  double busy = 0;
  for (size_t i = 0; i < streams.size(); ++i) {
    progress[i].ahead = streams[i].ahead_cycles;
    progress[i].total = streams[i].ahead_cycles + streams[i].rest_cycles;
    busy += progress[i].total;
    streams[i].first_done = streams[i].last_done = streams[i].release;
  }
  double t = 0;
  while (true) {
    size_t chosen = streams.size();
    double until = kNever;  // a higher stream may come in
    for (const size_t i : order) {
      if (progress[i].available(streams[i], t) > 0) {
        chosen = i;
        break;
      }
      until = std::min(until, progress[i].next_release(streams[i], t));
    }
    if (chosen == streams.size()) {
      if (until == kNever) return busy;
      t = until;
      continue;
    }
    FluidStream& s = streams[chosen];
    Progress& p = progress[chosen];
    const double available = p.available(s, t);
    const double amount = std::min(available, until - t);
    if (p.served < s.first_cycles && p.served + amount >= s.first_cycles)
      s.first_done = t + s.first_cycles - p.served;
    p.served = amount == available ? p.served + available : p.served + amount;
    t = amount == available ? t + available : until;
    if (t >= s.gate && p.total - p.served < 1e-9 * p.total) p.served = p.total;
    s.last_done = t;
  }
}

}  // namespace rdusim::sim
