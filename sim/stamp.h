// Stamps of the stamp engine: when something happens, in cycles. The engine is written for two kinds: int64_t
// in usual runs, and TracedStamp, which also remembers the chain of steps that led to it (back pointers), for
// the critical path. Whoever takes the later of two stamps thereby takes its history: no other code knows.
//
// Steps are shared and counted; what no stamp in flight leads to is freed, so a run keeps little more than
// the paths to its stamps.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>

#include "base/program/critical_path.h"

namespace rdusim::sim {

// Where the cycles of a step go. `place`: number of the unit, or of the channel for RDN steps.
struct Step {
  StepKind kind = StepKind::kTurn;
  uint32_t place = 0;
  double scaling_cycles = 0;  // of them, what scales with the resource (nothing is rounded)
};

struct PathNode {
  Step step;
  int64_t end_cycle = 0;
  int64_t cycles = 0;
  PathNode* before = nullptr;
  int64_t owners = 0;
};

// Shared ownership of a chain; freed link by link, since chains are long.
class PathEnd {
 public:
  PathEnd() = default;
  PathEnd(const PathEnd& other) : node_(other.node_) {
    if (node_ != nullptr) ++node_->owners;
  }
  PathEnd(PathEnd&& other) noexcept : node_(std::exchange(other.node_, nullptr)) {}
  PathEnd& operator=(PathEnd other) noexcept {
    std::swap(node_, other.node_);
    return *this;
  }
  ~PathEnd() {
    while (node_ != nullptr && --node_->owners == 0) delete std::exchange(node_, node_->before);
  }
  [[nodiscard]] const PathNode* node() const { return node_; }
  [[nodiscard]] PathEnd followed_by(const Step& step, int64_t cycles, int64_t end_cycle) const {
    PathEnd next;
    next.node_ = new PathNode{step, end_cycle, cycles, node_, 1};
    if (node_ != nullptr) ++node_->owners;
    return next;
  }

 private:
  PathNode* node_ = nullptr;
};

struct TracedStamp {
  int64_t cycle = 0;
  PathEnd path;
};

inline int64_t cycle_of(int64_t stamp) {
  return stamp;
}
inline int64_t cycle_of(const TracedStamp& stamp) {
  return stamp.cycle;
}
inline int64_t& cycle_ref(int64_t& stamp) {
  return stamp;
}
inline int64_t& cycle_ref(TracedStamp& stamp) {
  return stamp.cycle;
}

// The first if they are equal.
inline int64_t later(int64_t a, int64_t b) {
  return std::max(a, b);
}
inline TracedStamp later(const TracedStamp& a, const TracedStamp& b) {
  return b.cycle > a.cycle ? b : a;
}

// `cycles` after the stamp, spent on `step`.
inline int64_t after(int64_t stamp, int64_t cycles, const Step& /*step*/) {
  return stamp + cycles;
}
inline TracedStamp after(const TracedStamp& stamp, int64_t cycles, const Step& step) {
  if (cycles == 0 && step.scaling_cycles == 0) return stamp;
  return {stamp.cycle + cycles, stamp.path.followed_by(step, cycles, stamp.cycle + cycles)};
}
// The cycle, which follows from the stamp and the engine's turn by turn order.
template <typename Stamp>
Stamp at_cycle(const Stamp& stamp, int64_t cycle) {
  return after(stamp, cycle - cycle_of(stamp), {StepKind::kTurn, 0, 0});
}

}  // namespace rdusim::sim
