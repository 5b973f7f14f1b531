// How a running pass and a copy share a node's memories and links: the fluid formula.
//
// Each flow has a demand in bytes a second of each resource when it runs alone. Where the demands exceed a
// resource, it is divided max-min fairly, which is what round-robin arbitration of equal chunks gives: a flow
// that asks for less than half gets all it asks for, the other gets the rest. A flow is as fast as its
// scarcest resource lets it be, and what it then leaves of the others goes to the other flow.
// Checked against an event-level simulation of the same arbitration (serving/dma_simulation.h), which shares
// no code with this. Leaves out: latencies, row conflicts, read-write turnarounds.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/units.h"

namespace rdusim::runtime {

enum class SharedResource : uint8_t { kHbm, kStore, kLink };
inline constexpr size_t kSharedResources = 3;

// Bytes a second, by resource. As capacity: 0 means unlimited.
using Bandwidths = std::array<double, kSharedResources>;

struct SharedSpeeds {
  double pass = 1;  // of its speed alone, at most 1
  double copy = 1;
};

SharedSpeeds share_bandwidth(const Bandwidths& capacity, const Bandwidths& pass, const Bandwidths& copy);

// A speed as a whole number of 2^-32, so that simulated time stays integer; at least one step.
inline constexpr int64_t kFullSpeed = int64_t{1} << 32;
int64_t fixed_point_speed(double speed);
// Work (ps alone) done in `elapsed` at a speed, and time needed for work: inverse up to one picosecond.
int64_t work_done(int64_t elapsed_ps, int64_t speed);
int64_t time_for(int64_t work_ps, int64_t speed);

}  // namespace rdusim::runtime
