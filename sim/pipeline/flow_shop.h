// Stages of a pipeline and the streams between them, for micro-batches in a fixed order: a flow shop with
// bounded buffers.
//
//   machine 0      1        2      3        4           begin[j][q] = max of
//   stage 0 ─► border 0 ─► stage 1 ─► border 1 ─► stage 2     end[j][q-1]        its values are there
//      ▲     slots      slots      slots      slots │         end[j-1][q]        the machine is free
//      └──────────── next round (closed loop) ──────┘         end[j-slots][q+1]  a buffer behind it is free
//                                                             end[j-M][last] + return   (machine 0)
//
// A stage computes into one of `slots` buffers while the stream sends from another, and the stream sends into
// one while the next stage reads from another. With a fixed order on every machine these maxima give each
// begin exactly (a timed event graph; Baccelli et al., Synchronization and Linearity, 1992). The stream takes
// nothing from its stages: AGCUs send and receive while PCUs work. Left out: a stream that starts before its
// stage has ended, and its share of the stages' HBM.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace rdusim::sim {

struct FlowShop {
  // [micro-batch][machine]; even machines are stages, odd ones the borders between them.
  std::vector<std::vector<int64_t>> cycles;
  int64_t slots = 2;
  // Closed loop (decode): a micro-batch starts again so many cycles after its last stage has ended.
  std::optional<int64_t> return_cycles = std::nullopt;
};

struct MachineUse {
  int64_t busy_cycles = 0;
  int64_t critical_cycles = 0;  // on the chain of steps that each waited for the one before
};

// A stretch of time: the first round from its first cycle, or whole rounds of the steady state.
struct FlowWindow {
  int64_t cycles = 0;
  int64_t rounds = 1;
  std::vector<MachineUse> machines;
  std::vector<std::vector<int64_t>> critical;  // [micro-batch][machine]: its part of critical_cycles
  int64_t return_critical_cycles = 0;          // with the machines' critical cycles: `cycles`
  [[nodiscard]] double cycles_per_round() const {
    return static_cast<double>(cycles) / static_cast<double>(rounds);
  }
  // Share of the stages' time in which they do nothing.
  [[nodiscard]] double bubble_share() const;
  // Machine with most critical cycles; none: the return.
  [[nodiscard]] std::optional<size_t> binding() const;
};

struct FlowStep {
  int64_t begin = 0;
  int64_t end = 0;
};

struct FlowRun {
  std::vector<std::vector<FlowStep>> steps;  // [micro-batch][machine], of the first round
  FlowWindow first;
  // Closed loop only: rounds from one state to the next equal one. `periodic` is false if none came within
  // kMostRounds; the window is then the later half of them.
  std::optional<FlowWindow> steady;
  bool periodic = true;
};
inline constexpr int64_t kMostRounds = 256;

// At least a micro-batch; all have the same odd number of machines; no negative cycles; slots >= 1 (CHECK).
FlowRun run_flow_shop(const FlowShop& shop);

}  // namespace rdusim::sim
