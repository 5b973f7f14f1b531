#include "sim/stream_schedule.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace rdusim::sim {

namespace {

constexpr double kNever = std::numeric_limits<double>::infinity();

template <typename Number>
struct Progress {
  using Stream = BasicFluidStream<Number>;

  Number served = 0;
  Number ahead = 0;
  Number total = 0;
  Number rate = 0;  // share of the channel now
  // Cycles of service that may be given at time t, not yet given.
  [[nodiscard]] Number available(const Stream& s, Number t) const {
    if (t < s.release) return 0;
    return (t < s.gate ? ahead : total) - served;
  }
  // When it takes another share, if nothing else happens.
  [[nodiscard]] Number next_change(const Stream& s, Number t) const {
    if (t < s.release) return s.release;
    const Number gate = t < s.gate && served < total ? s.gate : kNever;
    if (rate <= 0) return gate;
    const Number left = served < ahead ? ahead - served : available(s, t);
    return std::min(gate, t + left / rate);
  }
  void advance(Stream& s, Number t, Number until) {
    if (rate <= 0) return;
    const Number amount = (until - t) * rate;
    if (served < s.first_cycles && served + amount >= s.first_cycles)
      s.first_done = t + (s.first_cycles - served) / rate;
    served += amount;
    if (t < 0) s.early_cycles += value_of((std::min<Number>(until, 0) - t) * rate);
    // Rounding must not leave crumbs that never end.
    if (std::abs(value_of(served - ahead)) < 1e-9 * value_of(total)) served = ahead;
    if (std::abs(value_of(served - total)) < 1e-9 * value_of(total)) served = total;
    s.last_done = until;
  }
};

}  // namespace

template <typename Number>
Number schedule_streams(std::vector<BasicFluidStream<Number>>& streams) {
  std::vector<size_t> order(streams.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return streams[a].priority != streams[b].priority ? streams[a].priority < streams[b].priority
                                                      : streams[a].order < streams[b].order;
  });
  std::vector<Progress<Number>> progress(streams.size());
  Number busy = 0;
  for (size_t i = 0; i < streams.size(); ++i) {
    progress[i].ahead = streams[i].ahead_cycles;
    progress[i].total = streams[i].ahead_cycles + streams[i].rest_cycles;
    busy += progress[i].total;
    streams[i].first_done = streams[i].last_done = streams[i].release;
    streams[i].early_cycles = 0;
  }
  Number t = 0;
  for (const BasicFluidStream<Number>& s : streams) t = std::min(t, s.release);
  while (true) {
    Number free = 1;
    Number until = kNever;
    for (const size_t i : order) {
      Progress<Number>& p = progress[i];
      const Number most = p.served < p.ahead ? 1 : streams[i].share;
      p.rate = p.available(streams[i], t) > 0 ? std::min(free, most) : 0;
      free -= p.rate;
      until = std::min(until, p.next_change(streams[i], t));
    }
    if (until == kNever) return busy;
    for (const size_t i : order) progress[i].advance(streams[i], t, until);
    t = until;
  }
}

template double schedule_streams(std::vector<BasicFluidStream<double>>& streams);
template Dual schedule_streams(std::vector<BasicFluidStream<Dual>>& streams);

}  // namespace rdusim::sim
