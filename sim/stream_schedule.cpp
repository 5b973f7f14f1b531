#include "sim/stream_schedule.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace rdusim::sim {

namespace {

constexpr double kNever = std::numeric_limits<double>::infinity();

struct Progress {
  double served = 0;
  double ahead = 0;
  double total = 0;
  double rate = 0;  // share of the channel now
  // Cycles of service that may be given at time t, not yet given.
  [[nodiscard]] double available(const FluidStream& s, double t) const {
    if (t < s.release) return 0;
    return (t < s.gate ? ahead : total) - served;
  }
  // When it takes another share, if nothing else happens.
  [[nodiscard]] double next_change(const FluidStream& s, double t) const {
    if (t < s.release) return s.release;
    const double gate = t < s.gate && served < total ? s.gate : kNever;
    if (rate <= 0) return gate;
    const double left = served < ahead ? ahead - served : available(s, t);
    return std::min(gate, t + left / rate);
  }
  void advance(FluidStream& s, double t, double until) {
    if (rate <= 0) return;
    const double amount = (until - t) * rate;
    if (served < s.first_cycles && served + amount >= s.first_cycles)
      s.first_done = t + (s.first_cycles - served) / rate;
    served += amount;
    // Rounding must not leave crumbs that never end.
    if (std::abs(served - ahead) < 1e-9 * total) served = ahead;
    if (std::abs(served - total) < 1e-9 * total) served = total;
    s.last_done = until;
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
    double free = 1;
    double until = kNever;
    for (const size_t i : order) {
      Progress& p = progress[i];
      const double most = p.served < p.ahead ? 1 : streams[i].share;
      p.rate = p.available(streams[i], t) > 0 ? std::min(free, most) : 0;
      free -= p.rate;
      until = std::min(until, p.next_change(streams[i], t));
    }
    if (until == kNever) return busy;
    for (const size_t i : order) progress[i].advance(streams[i], t, until);
    t = until;
  }
}

}  // namespace rdusim::sim
