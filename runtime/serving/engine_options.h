// Everything about serving that is a choice: scheduler and its dials, KV memory, the mechanisms beyond plain
// eviction (each can be switched on alone), socket groups, isolation, faults, objectives. The `serving` block
// of a composition file, and the flags of rdusim serve.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/io/fields.h"
#include "base/result.h"

namespace rdusim::runtime {

struct MechanismSpec {
  // The experts that the scheduler will want next are copied while another runs, and the router sees the next
  // batch before this one is done.
  bool prefetch = false;
  bool prefetch_flows = false;  // while a step of a flow runs, the experts of the steps after it are copied
  bool predict_popularity = false;  // an idle DMA copies the absent expert that was asked for most
  bool predict_transition = false;  // and the one that most often followed the last one
  bool layerwise = false;           // a prefill starts when the first layer's weights have arrived
  double keep_first_layers = 0;     // share of each expert's bytes that stays in HBM for good (first layers)
  double sram_share = 0;  // share of SRAM set aside for experts that fit in it; they are copied there
};

struct FaultSpec {
  std::string kind;          // hbm-channel, ddr-channel, slow-link, socket-down, corrupt, cancel
  double at_s = 0;           // after the first arrival
  double duration_s = 0;     // 0: for good
  int64_t group = 0;         // whose hardware
  int64_t count = 1;         // channels lost; copies that arrive corrupt
  double factor = 1;         // slow-link: bandwidth that is left
  std::string expert;        // corrupt: whose copies; empty: any
  int64_t request = 0;       // cancel: its number in the workload
  double rate_per_hour = 0;  // instead of at_s: random times, exponential gaps
};

struct OwnerSpec {
  std::string expert;                // name in the composition
  std::vector<std::string> tenants;  // who may use it; experts that no row names are everybody's
};

struct EngineOptions {
  std::string scheduler = "sequential";
  std::string eviction = "lru";
  int64_t max_running = 32;          // requests of one expert that decode together (iterating schedulers)
  int64_t prefill_chunk_tokens = 0;  // 0: prompts are read whole
  double longest_wait_s = 30;
  double least_resident_s = 0;
  int64_t quantum_steps = 0;
  double host_iteration_s = 200e-6;  // of every pass of an iterating scheduler
  double deadline_s = 10;            // after arrival; what scheduler deadline goes by

  double kv_share = 0.25;  // of the HBM beside router and largest expert (iterating schedulers)
  int64_t kv_page_tokens = 16;
  int64_t prefix_block_tokens = 512;
  bool prefix_sharing = true;
  std::string allocation = "scattered";
  bool compaction = false;

  MechanismSpec mechanisms;
  std::vector<std::string> pinned;   // never leave HBM once there
  std::vector<std::string> preload;  // in HBM before the first request; "popular": as many as fit
  bool eager_unload = false;         // experts leave when their last request is done

  std::vector<int64_t> groups;  // sockets of each group; empty: the whole node
  std::vector<OwnerSpec> owners;
  bool scrub = false;  // memory that goes to another owner is overwritten first
  std::vector<FaultSpec> faults;
  uint64_t fault_seed = 1;

  double ttft_objective_s = 0;  // 0: none
  double time_per_token_objective_s = 0;
  double occupancy_sample_s = 0;  // of HBM by expert over time; 0: not sampled
};

// The `serving` block: parser, checks, schema, docs from one description.
const Fields<EngineOptions>& engine_fields();

}  // namespace rdusim::runtime
