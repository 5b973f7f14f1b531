// What serving a workload on one node says. Plain structs, SI units in names; report/ turns them into tables,
// JSON, pages. Conservation (tests): requests = finished + failed; a finished request's end to end time =
// queueing + routing + switching
// + prefill + decode; store_to_hbm bytes = sum over experts; cache use <= capacity at every moment.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/program/run_result.h"
#include "base/units.h"

namespace rdusim::runtime {

// One finished or failed request, in the workload's order; or one invocation of a request's flow.
struct RequestRecord {
  RequestId request;
  uint32_t step = 0;    // of an invocation: its number within its request
  uint32_t copies = 1;  // answers sampled from its prompt
  uint32_t flow = 0;    // in NodeResult::flows
  ExpertId expert;
  TenantId tenant;
  bool failed = false;
  bool hit = false;  // the expert was in HBM
  int64_t prompt_tokens = 0;
  int64_t output_tokens = 0;
  Picoseconds arrival;
  Picoseconds queueing;   // waiting for the node, and for the pairs of its batch that run first
  Picoseconds routing;    // the whole routing pass of its batch
  Picoseconds switching;  // copy of its expert to HBM
  Picoseconds prefill;    // to the first output token, the host time of the request included
  Picoseconds decode;     // the other output tokens
  // Flows: tokens of the steps before the one that answers, on the path that the request waited for. The
  // other parts are sums over that path.
  Picoseconds earlier{};
  int64_t energy_nj = 0;  // its share of the passes that it was in, failed or not

  [[nodiscard]] Picoseconds time_to_first_token() const {
    return queueing + routing + switching + prefill + earlier;
  }
  [[nodiscard]] Picoseconds end_to_end() const { return time_to_first_token() + decode; }
};

struct Distribution {
  int64_t count = 0;  // all zero if 0
  double mean_s = 0;
  double p50_s = 0;
  double p90_s = 0;
  double p95_s = 0;
  double p99_s = 0;
  double p999_s = 0;
  double max_s = 0;
};

// Seconds; as a mean over finished requests, or a total of the node.
struct LatencySplit {
  double queueing_s = 0;
  double routing_s = 0;
  double switching_s = 0;
  double prefill_s = 0;
  double decode_s = 0;
  double earlier_s = 0;  // tokens of earlier steps of a flow
};

// A step of a flow, over all requests that took it: invocations = finished + failed + stopped.
struct StepResult {
  std::string name;
  int64_t invocations = 0;
  int64_t finished = 0;
  int64_t failed = 0;    // the first of its request to fail
  int64_t stopped = 0;   // another step of its request had failed
  int64_t hits = 0;      // of the finished ones
  LatencySplit split{};  // mean of a finished one; queueing_s counts from when it could start
  Distribution latency{};
};

struct FlowResult {
  std::string name;
  int64_t requests = 0;
  int64_t finished = 0;
  int64_t failed = 0;
  LatencySplit split{};
  Distribution latency{};
  Distribution time_to_first_token{};
  std::vector<StepResult> steps{};
};

// An expert in HBM: [load_begin, ready) it is copied, [ready, evicted) it can run.
struct Residency {
  ExpertId expert;
  Picoseconds load_begin;
  Picoseconds ready;
  std::optional<Picoseconds> evicted;  // absent: still there at the end
};

struct ExpertResult {
  std::string name;
  std::string model;
  int64_t weight_bytes = 0;
  int64_t program_bytes = 0;  // its own configurations
  int64_t requests = 0;
  int64_t hits = 0;
  int64_t switches = 0;
  int64_t copied_bytes =
      0;  // store to HBM or SRAM: switches x what one copies, and what was given up on the way
  Distribution time_to_first_token;  // of its finished requests
  double longest_wait_s = 0;         // queueing and switching of one request
  int64_t sram_bytes = 0;            // part of copied_bytes
  int64_t pass_energy_nj = 0;
  double switch_energy_j = 0;  // of copied_bytes

  [[nodiscard]] int64_t segment_bytes() const { return weight_bytes + program_bytes; }
};

// Joules of a node, by cause; their sum is the total. Passes: operations and bytes of those that ended.
// Copies: a byte read where it lies and written where it goes. Static power goes by time, over the makespan.
struct ServingEnergy {
  double routing_j = 0;
  double prefill_j = 0;
  double decode_j = 0;
  double switching_j = 0;
  double kv_paging_j = 0;
  double scrubbing_j = 0;  // and compaction
  double static_working_j = 0;
  double static_idle_j = 0;

  [[nodiscard]] double total_j() const {
    return routing_j + prefill_j + decode_j + switching_j + kv_paging_j + scrubbing_j + static_working_j +
           static_idle_j;
  }
};

// What a tenant got.
struct TenantResult {
  std::string name;
  int64_t requests = 0;
  int64_t finished = 0;
  Distribution latency;
  Distribution time_to_first_token;
  int64_t within_objective = 0;
};

// HBM at one moment.
struct OccupancySample {
  Picoseconds at;
  int64_t expert_bytes = 0;
  int64_t kv_bytes = 0;
};

struct TierBytes {
  std::string from;  // "store" (DDR, or host memory), "hbm", "ddr", "socket"
  std::string to;    // "hbm", "chip", "socket"
  int64_t bytes = 0;
};

// How HBM and the store are divided.
struct MemoryUse {
  int64_t store_capacity_bytes = 0;
  int64_t store_used_bytes = 0;  // all experts
  int64_t hbm_capacity_bytes = 0;
  int64_t router_bytes = 0;  // router weights and stored vectors, always in HBM
  int64_t kv_bytes = 0;      // reserved: the largest that runs at once
  int64_t cache_bytes = 0;   // left for experts
  int64_t cache_peak_bytes = 0;
};

enum class NodeStatus : uint8_t { kServed, kOutOfMemory };

struct Failure {
  RequestId request;
  std::string reason;
};

struct NodeResult {
  std::string node;
  NodeStatus status = NodeStatus::kServed;
  std::string reason;  // of kOutOfMemory; the numbers below are then zero but for `memory` and `requests`
  bool expert_too_large =
      false;  // of kOutOfMemory: an expert is larger than HBM, so no order of switches helps
  int64_t requests = 0;
  int64_t finished = 0;
  int64_t failed = 0;
  std::vector<Failure> failures;  // every failed request
  Distribution latency;           // end to end
  Distribution time_to_first_token;
  Distribution time_per_output_token;  // after the first; requests of two tokens or more
  Distribution queueing;
  Distribution switching;  // of requests that had to switch
  LatencySplit split;      // mean of a finished request
  LatencySplit node_time;  // what the node spent; queueing_s = idle
  double makespan_s = 0;   // first arrival to last finish
  double output_tokens_per_s = 0;
  double requests_per_s = 0;
  double expert_hit_rate = 0;       // of finished requests
  double expert_byte_hit_rate = 0;  // the same, each request weighted with its expert's bytes
  double switches_per_request = 0;
  double goodput_per_s = 0;     // finished requests within the objectives, a second
  double within_objective = 0;  // share of all requests
  bool saturated = false;       // the queue grew as long as requests came
  int64_t groups = 1;
  int64_t prefetches = 0;
  int64_t preemptions = 0;  // an expert gave way with requests unfinished
  int64_t iterations = 0;   // passes
  int64_t faults = 0;       // events, recoveries included
  int64_t corrupt_copies = 0;
  int64_t restarts = 0;              // requests that began again after a fault
  int64_t reused_prompt_tokens = 0;  // not computed, since a shared prefix was there
  int64_t prefetched_bytes = 0;
  int64_t prefetch_wasted_bytes = 0;  // evicted or given up before anybody used them
  int64_t scrubbed_bytes = 0;         // room that another owner's expert had left
  int64_t kv_scrubbed_bytes = 0;      // KV pages that another tenant had left
  int64_t compacted_bytes = 0;
  int64_t sram_copied_bytes = 0;  // part of store to HBM that went to SRAM instead
  int64_t kv_out_bytes = 0;
  int64_t kv_in_bytes = 0;
  int64_t kv_peak_bytes = 0;
  double dma_busy_s = 0;                   // sum over groups
  double slowed_by_copies_s = 0;           // what sharing bandwidth with copies, and faults, added to passes
  std::vector<TenantResult> tenants;       // by TenantId
  std::vector<OccupancySample> occupancy;  // by time
  int64_t batches = 0;
  int64_t switches = 0;
  int64_t evictions = 0;
  std::vector<TierBytes> bytes;  // by pair of tiers
  ByteCounts pass_bytes{};       // of all passes, by wire and cause
  MemoryUse memory;
  std::vector<ExpertResult> experts;    // by ExpertId
  std::vector<Residency> timeline;      // by load_begin
  std::vector<RequestRecord> records;   // by request
  std::vector<RequestRecord> steps;     // invocations, request by request; empty where each request is one
  std::vector<FlowResult> flows;        // with steps: the plain one first
  std::optional<ServingEnergy> energy;  // absent: the node's is not known, or was not asked for
  int64_t shapes_priced = 0;            // distinct shapes that the execution model was asked for

  // What ran: experts' requests and hits count these.
  [[nodiscard]] const std::vector<RequestRecord>& invocations() const {
    return steps.empty() ? records : steps;
  }
};

}  // namespace rdusim::runtime
