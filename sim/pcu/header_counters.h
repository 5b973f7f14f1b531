// The header's counters: a nest of loops that says which step of which block comes next, and raises a done
// event for each loop that ends. Counters are INT32, as the header's arithmetic; a loop beyond that is our
// own bug.
#pragma once

#include <cstdint>
#include <limits>

#include "base/check.h"
#include "base/program/firing_plan.h"

namespace rdusim::sim {

// Steps of one pass, in blocks. done() after advance(): what the step just counted has ended.
class HeaderCounters {
 public:
  struct Done {
    bool block = false;  // accumulators hold a result: drain, or send the reduction down the tree
    bool pass = false;
  };

  void start(const Pass& pass) {
    constexpr int64_t kLimit = std::numeric_limits<int32_t>::max();
    RDU_CHECK(pass.steps <= kLimit && pass.block_steps <= kLimit, "a loop of {} steps in blocks of {}",
              pass.steps, pass.block_steps);
    left_in_pass_ = static_cast<int32_t>(pass.steps);
    block_steps_ = static_cast<int32_t>(pass.block_steps);
    left_in_block_ = block_steps_;
  }
  [[nodiscard]] bool first_of_block() const { return left_in_block_ == block_steps_; }
  [[nodiscard]] int32_t left() const { return left_in_pass_; }
  Done advance() {
    Done done;
    done.pass = --left_in_pass_ == 0;
    done.block = --left_in_block_ == 0 || done.pass;  // the last block may be shorter
    if (done.block) left_in_block_ = block_steps_;
    return done;
  }

 private:
  int32_t left_in_pass_ = 0;
  int32_t block_steps_ = 1;
  int32_t left_in_block_ = 1;
};

}  // namespace rdusim::sim
