// Serves a workload on one node: discrete events in whole picoseconds.
//
//   arrivals ─► router ─► group that holds the expert ─► queue by expert (scheduler) ─► passes
//                            store ──DMA──► HBM cache of experts, KV pool ──► prefill ─► decode
//
// With scheduler `sequential` and no mechanism it is the published rule: a batch is what waits, up to `batch`
// requests, when the node falls free; its router pass runs first; then each (prompt, expert) pair: if the
// expert is not in HBM it is copied there (bytes / bandwidth + set-up; evicted experts are dropped, not
// copied back), then prefill, then decode. Nothing overlaps. The other schedulers batch continuously, and
// copies overlap with passes, with which they share bandwidth (serving/bandwidth_share.h).
#pragma once

#include <functional>
#include <span>
#include <string>

#include "base/result.h"
#include "runtime/composition.h"
#include "runtime/execution.h"
#include "runtime/result.h"
#include "runtime/router/router.h"
#include "runtime/serving/engine_options.h"
#include "runtime/serving/jobs.h"
#include "runtime/serving/observer.h"
#include "runtime/workload/workload.h"

namespace rdusim::runtime {

// A serve that can be taken up again where it was: the rest gives the same bytes as if it had not stopped.
struct CheckpointOptions {
  int64_t every = 0;  // requests that ended between two checkpoints; 0: none are written
  std::function<Status(const std::string& file)> write;
  std::string_view resume;  // a file's bytes; empty: from the start
  std::string resume_name;  // stands in errors
  std::string context;      // what else tells serves apart: stack, fidelity, models
};

struct ServeOptions {
  std::optional<int64_t> batch;          // else the composition's
  std::string scheduler = "sequential";  // these two win over the engine's
  std::string eviction = "lru";
  const Router* router = nullptr;  // trained: its vectors, k and classes are timed
  // Called now and then with requests done and in all; may be empty.
  std::function<void(int64_t, int64_t)> progress;
  EngineOptions engine;
  CheckpointOptions checkpoint;
  // What happens to each request, by plan_requests; null: its expert answers alone. The workload's `follows`
  // (conversations, closed loops) are honoured either way, and these dependencies between requests too.
  const RequestPlans* plans = nullptr;
  std::vector<Dependency> dependencies;
  ServingObserver* observer = nullptr;  // told what happens; null: nobody
};

// Every request of the workload must have its expert (assign_experts). A node whose memory is too small is a
// result with NodeStatus::kOutOfMemory, not an error; errors are bad options and what the execution model
// refuses.
Result<NodeResult> serve(ExecutionModel& execution, const Composition& composition, const Workload& workload,
                         const ServeOptions& options);

// The same on a node whose sockets are divided into groups that hold and run different experts at once.
struct SocketGroup {
  ExecutionModel* execution = nullptr;  // of a node of that many sockets; groups of one size may share it
  int64_t sockets = 1;
};
Result<NodeResult> serve_groups(std::span<const SocketGroup> groups, const Composition& composition,
                                const Workload& workload, const ServeOptions& options);

}  // namespace rdusim::runtime
