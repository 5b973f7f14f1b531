// What all socket groups of a serving run share: the requests and where each stands, in flat arrays by
// request number; the records; the counters of the run.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "base/ids.h"
#include "base/units.h"
#include "runtime/composition.h"
#include "runtime/result.h"
#include "runtime/serving/engine_options.h"
#include "runtime/serving/jobs.h"
#include "runtime/serving/observer.h"
#include "runtime/workload/workload.h"

namespace rdusim::runtime {

enum class Phase : uint8_t {
  kFuture,     // not arrived
  kUnrouted,   // in a group's queue before the router
  kWaiting,    // routed, in its expert's queue
  kRunning,    // admitted: its prompt is read, or its tokens are written
  kPagingOut,  // its KV cache is on the way to DDR, or there
  kPagedOut,
  kPagingIn,
  kFinished,
  kFailed
};

inline constexpr uint32_t kEndOfList = std::numeric_limits<uint32_t>::max();

enum class Activity : uint8_t { kIdle, kRouting, kSwitching, kPrefill, kDecode };
inline constexpr size_t kActivities = 5;

struct RequestState {
  uint32_t next = kEndOfList;  // in its expert's queue
  Phase phase = Phase::kFuture;
  bool cancelled = false;  // to fail at the next token
  bool begun = false;      // its first pass has started
  uint16_t group = 0;
  int64_t turn = 0;  // order of routing
  Picoseconds routed;
  Picoseconds started;  // of its prefill
  Picoseconds first_token;
  int32_t prompt_done = 0;
  int32_t output_done = 0;
  uint32_t blocks_held = 0;
  int32_t reused_tokens = 0;  // of the prompt, computed by an earlier request
  Bytes kv_bytes;             // pages of its own, in HBM or, paged out, in DDR
};

// What happened besides records and residencies.
struct Counters {
  int64_t batches = 0;
  int64_t switches = 0;
  int64_t evictions = 0;
  int64_t prefetches = 0;
  int64_t preemptions = 0;
  int64_t iterations = 0;
  int64_t corrupt_copies = 0;
  int64_t restarts = 0;
  Bytes switched;  // store to HBM or SRAM, prefetches and repeats included
  Bytes prefetched;
  Bytes prefetch_wasted;  // left before anybody used it
  Bytes to_sram;
  Bytes kv_out;
  Bytes kv_in;
  Bytes scrubbed;     // experts' room
  Bytes kv_scrubbed;  // pages
  Bytes compacted;
  int64_t reused_prompt_tokens = 0;
  std::array<int64_t, kActivities> pass_energy_nj{};  // by Activity
};

// All numbers of requests below are of jobs (serving/jobs.h).
struct ServingState {
  const Composition& composition;
  const Jobs& jobs;
  const Workload& workload;  // jobs.workload()
  const ExpertRoster& roster;
  const EngineOptions& options;
  std::vector<RequestState> states;  // by request
  std::vector<RequestRecord> records;
  std::vector<Residency> timeline;
  std::vector<ExpertResult> experts;
  std::vector<Failure> failures;
  Counters counters;
  int64_t next_turn = 0;
  int64_t finished = 0;
  Picoseconds last_finish;
  std::vector<uint64_t> block_keys{};  // of the request that blocks() was asked for
  ServingObserver* observer = nullptr;

  [[nodiscard]] const Request& request(uint32_t r) const { return workload.requests[r]; }
  // The prompt's blocks that may be shared; valid until the next call.
  [[nodiscard]] std::span<const uint64_t> blocks(uint32_t r) {
    block_keys.clear();
    if (!options.prefix_sharing) return {};
    if (jobs.plans != nullptr && !jobs.plans->nodes[r].reads_request) return {};
    prefix_block_keys(*jobs.requests, jobs.request(r), block_keys, options.prefix_block_tokens);
    return block_keys;
  }
};

// How groups speak to the engine.
class Dispatch {
 public:
  virtual ~Dispatch() = default;
  virtual void routed(uint32_t request, Picoseconds now) = 0;  // goes to the group of its expert
  virtual void begun(uint32_t request, Picoseconds now) = 0;   // its first pass starts
  virtual void ended(uint32_t request, Picoseconds now) = 0;   // finished or failed
};

}  // namespace rdusim::runtime
