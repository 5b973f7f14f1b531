// The header of a PCU, ticked: every cycle it asks whether the vector whose turn it is may enter. The slow
// twin of sim/pcu/pcu_model.h for firings whose operands are all there at cycle 0.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "base/program/firing_plan.h"

namespace rdusim::testing {

struct TickedRun {
  int64_t last_result = 0;           // cycle after which nothing is left
  int64_t idle_cycles = 0;           // of the header before its last vector
  std::vector<int64_t> firing_done;  // of each firing: its last result
};

inline TickedRun tick(const FiringPlan& plan, int64_t firings) {
  struct Job {
    size_t pass = 0;
    int64_t step = 0;
    int64_t back = 0;  // when the results of its passes so far are back
  };
  std::vector<Job> jobs(static_cast<size_t>(firings));
  TickedRun run;
  run.firing_done.assign(jobs.size(), 0);
  int64_t running = -1;  // the job whose pass has begun
  int64_t block_started = 0;
  int64_t held_until = 0;
  size_t left = jobs.size();
  for (int64_t cycle = 0; left > 0; ++cycle) {
    if (cycle < held_until) continue;
    if (running < 0) {
      for (size_t j = 0; j < jobs.size() && running < 0; ++j) {
        if (jobs[j].pass == plan.passes.size()) continue;
        const bool waits = plan.passes[jobs[j].pass].after >= 0 && jobs[j].back > cycle;
        if (!waits) running = static_cast<int64_t>(j);
        if (jobs[j].pass == 0) break;
      }
    }
    if (running < 0) {
      ++run.idle_cycles;
      continue;
    }
    Job& job = jobs[static_cast<size_t>(running)];
    const Pass& pass = plan.passes[job.pass];
    if (job.step % pass.block_steps == 0) block_started = cycle;
    ++job.step;
    if (job.step % pass.block_steps != 0 && job.step != pass.steps) continue;
    held_until = std::max(cycle + 1, block_started + pass.min_block_cycles);
    job.back = std::max(job.back, cycle + 1 + pass.latency_cycles);
    if (job.step != pass.steps) continue;
    job.step = 0;
    if (++job.pass == plan.passes.size()) {
      run.firing_done[static_cast<size_t>(running)] = job.back;
      run.last_result = std::max(run.last_result, job.back);
      --left;
    }
    running = -1;
  }
  return run;
}

}  // namespace rdusim::testing
