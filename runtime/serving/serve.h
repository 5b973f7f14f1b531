// Serves a workload on one node: discrete events in whole picoseconds.
//
//   arrivals ─► queue ─► batch (scheduler) ─► router, once per batch ─► (prompt, expert) pairs in turn:
//                            store ──switch──► HBM cache of experts ──► prefill ─► decode
//
// The published rule: a batch is what waits, up to `batch` requests, when the node falls free; its router
// pass runs first; then each (prompt, expert) pair: if the expert is not in HBM it is copied there (bytes /
// bandwidth + set-up; evicted experts are dropped, not copied back), then prefill, then decode. Nothing
// overlaps. Leaves out: prefetch, overlap of copy and execution, several experts at once.
#pragma once

#include <functional>
#include <string>

#include "base/result.h"
#include "runtime/composition.h"
#include "runtime/execution.h"
#include "runtime/result.h"
#include "runtime/router/router.h"
#include "runtime/workload/workload.h"

namespace rdusim::runtime {

struct ServeOptions {
  std::optional<int64_t> batch;  // else the composition's
  std::string scheduler = "sequential";
  std::string eviction = "lru";
  const Router* router = nullptr;  // trained: its vectors, k and classes are timed
  // Called now and then with requests done and in all; may be empty.
  std::function<void(int64_t, int64_t)> progress;
};

// Every request of the workload must have its expert (assign_experts). A node whose memory is too small is a
// result with NodeStatus::kOutOfMemory, not an error; errors are bad options and what the execution model
// refuses.
Result<NodeResult> serve(ExecutionModel& execution, const Composition& composition, const Workload& workload,
                         const ServeOptions& options);

}  // namespace rdusim::runtime
