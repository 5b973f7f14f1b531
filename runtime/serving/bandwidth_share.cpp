// Max-min shares of two flows over three resources; see bandwidth_share.h.
#include "runtime/serving/bandwidth_share.h"

#include <algorithm>
#include <cmath>

namespace rdusim::runtime {
namespace {

__extension__ using Int128 = __int128;

// Share of `capacity` that a flow asking for `mine` gets beside one that asks for `other`.
double fair_part(double capacity, double mine, double other) {
  if (mine + other <= capacity) return mine;
  const double half = capacity / 2;
  if (mine <= half) return mine;
  return std::max(half, capacity - other);
}

// Speed of a flow of demand `mine` beside one that takes `other`.
double speed_beside(const Bandwidths& capacity, const Bandwidths& mine, const Bandwidths& other) {
  double speed = 1;
  for (size_t r = 0; r < kSharedResources; ++r) {
    if (capacity[r] <= 0 || mine[r] <= 0) continue;
    speed = std::min(speed, fair_part(capacity[r], mine[r], other[r]) / mine[r]);
  }
  return speed;
}

Bandwidths scaled(const Bandwidths& demand, double speed) {
  Bandwidths result = demand;
  for (double& b : result) b *= speed;
  return result;
}

}  // namespace

SharedSpeeds share_bandwidth(const Bandwidths& capacity, const Bandwidths& pass, const Bandwidths& copy) {
  SharedSpeeds speeds;
  // What one flow leaves on one resource may speed the other up, and back: two flows settle in few rounds
  // (each round only hands on what the last one left).
  constexpr int kRounds = 4;
  for (int round = 0; round < kRounds; ++round) {
    speeds.copy = speed_beside(capacity, copy, scaled(pass, speeds.pass));
    speeds.pass = speed_beside(capacity, pass, scaled(copy, speeds.copy));
  }
  return speeds;
}

int64_t fixed_point_speed(double speed) {
  const auto fixed = static_cast<int64_t>(std::llround(speed * static_cast<double>(kFullSpeed)));
  return std::clamp<int64_t>(fixed, 1, kFullSpeed);
}

int64_t work_done(int64_t elapsed_ps, int64_t speed) {
  if (speed == kFullSpeed) return elapsed_ps;
  return static_cast<int64_t>(static_cast<Int128>(elapsed_ps) * speed >> 32);
}

int64_t time_for(int64_t work_ps, int64_t speed) {
  if (speed == kFullSpeed) return work_ps;
  return static_cast<int64_t>(((static_cast<Int128>(work_ps) << 32) + speed - 1) / speed);
}

}  // namespace rdusim::runtime
