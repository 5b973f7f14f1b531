// Jobs: what the event loop runs. Without flows a job is a request; with them one invocation of a request's
// plan (runtime/request_plan.h), so that a chain, a fan-out with its judge, an answer that is routed again
// and a best-of-n are jobs that come when the jobs before them have ended. Conversations and closed loops are
// the same kind of edge between requests, with think time.
//
//   requests, plans ─► make_jobs ─► event loop (records by job) ─► fold_jobs ─► records by request, flows,
//   steps
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "runtime/composition.h"
#include "runtime/request_plan.h"
#include "runtime/result.h"
#include "runtime/workload/workload.h"

namespace rdusim::runtime {

// `after` arrives when `before` has ended, `delay` later, and not before its own arrival. A job may follow
// several. If one of them fails, so does it, unless it comes anyway.
struct Dependency {
  uint32_t before = 0;  // numbers of requests or jobs, before < after
  uint32_t after = 0;
  Picoseconds delay{};
  bool even_if_failed = false;  // a client of a closed loop asks on, whatever became of the last question
};

struct Jobs {
  const Workload* requests = nullptr;   // as asked for
  const RequestPlans* plans = nullptr;  // null: a job a request
  Workload steps;                       // with plans: a row an invocation, in the order of plans->nodes
  std::vector<uint32_t> request_of{};   // with plans: by job
  std::vector<Dependency> dependencies{};

  [[nodiscard]] const Workload& workload() const { return plans == nullptr ? *requests : steps; }
  [[nodiscard]] uint32_t request(uint32_t job) const { return plans == nullptr ? job : request_of[job]; }
  [[nodiscard]] uint32_t first_of(uint32_t request) const {
    return plans == nullptr ? request : plans->begin[request];
  }
  [[nodiscard]] int64_t copies(uint32_t job) const {
    return plans == nullptr ? 1 : int64_t{plans->nodes[job].copies};
  }
  // A branch that nothing comes before but the routing of its request, which the request's first job has.
  [[nodiscard]] bool waits_for_routing(uint32_t job) const {
    if (plans == nullptr || job == plans->begin[request_of[job]]) return false;
    return plans->after(plans->nodes[job]).empty();
  }
};

// `plans` null, or of this workload. `extra`: dependencies between requests besides those of its `follows`.
Jobs make_jobs(const Workload& workload, const RequestPlans* plans, std::span<const Dependency> extra);

// Tokens that the router reads before the job.
int64_t route_tokens(const Jobs& jobs, const Composition& composition, uint32_t job);

// result.records by job becomes result.steps; records, failures, flows and counts by request take their
// place. Of a request: the parts of its latency are those of the jobs on the path that it waited for, so that
// they add up; `first_reason` is that of its first job to fail.
void fold_jobs(const Jobs& jobs, const Composition& composition, NodeResult& result);

}  // namespace rdusim::runtime
