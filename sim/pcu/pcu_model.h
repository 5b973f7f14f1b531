// PcuModel: the PCUs of one unit, in lock step, vector by vector. Nothing is ticked: every step says when it
// happens, from when its operands are there, when the header is free and when a result has room.
//
//   operands_arrive ──► header ──► body ──► tail ──► output FIFO ──► results, space_freed
//      (cycle, steps)   counters                       output_slots
//
//   start     a firing joins the queue; its plan (base/program/firing_plan.h) is the configuration
//   step      the next vector of the oldest firing that can go on. A pass, once begun, is not interrupted;
//   while a
//             firing waits for its own reduction or drain, the next firing's first pass may go ahead
//   results   those of a firing's last pass leave, one vector a cycle, in order. A vector enters only when
//   the
//             results it will bring have room, so a full FIFO holds the header (the pipe itself never stalls)
//
// Operands of later passes are what the first pass left behind, or tokens held in PMUs: they are there in
// time. The closed forms FiringPlan::service_cycles and lone_cycles are this model's steady interval and
// first latency; tests/property proves it. Left out: what the values are (base/program/tile.h), and arrival
// skew between the operand ports of one step (pass the later one).
#pragma once

#include <cstdint>
#include <deque>
#include <optional>

#include "base/program/firing_plan.h"
#include "sim/pcu/header_counters.h"

namespace rdusim::sim {

class PcuModel {
 public:
  struct Sizes {
    int64_t output_slots = kUnbounded;       // result vectors that wait for the network
    int64_t firings_in_flight = kUnbounded;  // that may have begun and not ended
  };
  static constexpr int64_t kUnbounded = int64_t{1} << 62;

  struct Step {
    int64_t cycle = 0;  // the vector enters the header
    int32_t pass = 0;
    bool block_done = false;
    bool pass_done = false;
    bool firing_done = false;   // the firing's last vector; its inputs may be released
    int64_t results = 0;        // result vectors of the unit that this step brings: none but in the last pass
    int64_t results_cycle = 0;  // the last of them leaves; the others in the cycles before it
  };
  struct Counters {
    int64_t firings = 0;
    int64_t steps = 0;
    int64_t busy_cycles = 0;        // the header issues, or a drain or the tail holds it
    int64_t operand_cycles = 0;     // it waits for operands
    int64_t own_result_cycles = 0;  // ... for results of an earlier pass
    int64_t space_cycles = 0;       // ... for room downstream
  };

  PcuModel() : PcuModel(Sizes{}) {}
  explicit PcuModel(const Sizes& sizes);

  // `plan` has at least one step and must outlive its firing.
  void start(const FiringPlan& plan);
  // All operands of the next `steps` first-pass steps, one a cycle from `cycle` on; times never go back.
  void operands_arrive(int64_t cycle, int64_t steps = 1);
  // One waiting result vector has gone downstream: its slot is free from `cycle` on.
  void space_freed(int64_t cycle);

  // When the next vector enters; nothing while it waits for operands or space that nobody has announced, or
  // when no firing is left.
  [[nodiscard]] std::optional<int64_t> next_cycle() const;
  // Does what next_cycle() says; only while that is something.
  Step step();

  [[nodiscard]] bool idle() const { return firings_.empty(); }
  [[nodiscard]] const Counters& counters() const { return counters_; }

 private:
  struct Firing {
    const FiringPlan* plan = nullptr;
    size_t pass = 0;
    bool begun = false;  // this pass
    HeaderCounters counters;
    int64_t last_result = 0;  // of the passes done
    int64_t block_start = 0;
  };
  struct Arrival {
    int64_t cycle = 0;
    int64_t steps = 0;
  };
  struct Choice {
    size_t firing = 0;
    int64_t cycle = 0;
    int64_t operands = 0;  // when they are there
    int64_t own = 0;       // when the results of its own earlier passes are
    int64_t space = 0;     // when its results have room
  };

  [[nodiscard]] std::optional<Choice> choose() const;
  [[nodiscard]] std::optional<Choice> candidate(size_t firing) const;
  [[nodiscard]] std::optional<int64_t> space_for(const Firing& firing, const Pass& pass) const;
  static bool ends_block(const Firing& firing, const Pass& pass);
  void enter(size_t pass, Firing& firing);
  void count(const Choice& choice);
  void emit(const Pass& pass, Firing& firing, Step& step);
  void advance_pass(Firing& firing, size_t at, Step& step);

  Sizes sizes_;
  std::deque<Firing> firings_;
  std::deque<Arrival> arrivals_;
  std::deque<int64_t> freed_;  // cycles of slots given back, not yet used again
  int64_t slots_untouched_ = 0;
  int64_t free_cycle_ = 0;  // of the header
  int64_t idle_since_ = 0;
  int64_t last_leave_ = INT64_MIN / 2;  // of the newest result
  std::optional<size_t> active_;        // the firing whose pass has begun
  Counters counters_;
};

}  // namespace rdusim::sim
