// Group: sockets that hold and run experts together. One stream of passes (router, prefill, decode: a
// dataflow chip runs one program at a time), one DMA, HBM divided into router, KV pool and cache of experts.
//
//   unrouted ─► router pass ─► (engine: which group) ─► queues by expert ─► scheduler ─► switch ─► prefill ─►
//   decode
//
// The group is a state machine: advance() completes what ends at the given time, decide() starts what comes
// next. Passes of several decode steps are one event; an arrival that matters cuts them at the next token.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "runtime/memo_execution.h"
#include "runtime/scheduler/scheduler.h"
#include "runtime/serving/dma.h"
#include "runtime/serving/expert_cache.h"
#include "runtime/serving/kv_pool.h"
#include "runtime/serving/memory_plan.h"
#include "runtime/serving/pass_costs.h"
#include "runtime/serving/predictor.h"
#include "runtime/serving/serving_state.h"

namespace rdusim::runtime {

struct GroupSetup {
  uint16_t number = 0;
  NodeMemory memory;
  Picoseconds request_overhead;
  PassCosts* costs = nullptr;  // shared by groups of one size
  const NodePlan* plan = nullptr;
  NeighbourShape neighbours;
  std::vector<int64_t> model_layers;  // by ExpertRoster::models
  int64_t batch = 1;                  // that the router sees at once
  std::string scheduler;
  std::string eviction;
};

class Group {
 public:
  Group(GroupSetup setup, ServingState& state, Dispatch& dispatch);
  Status set_up();
  // Experts copied before serving starts; their bytes count, their time does not.
  void preload(std::span<const ExpertId> experts, Picoseconds now);

  void enqueue_unrouted(uint32_t request, Picoseconds now);
  void enqueue(uint32_t request, Picoseconds now);
  [[nodiscard]] std::optional<Picoseconds> next_event() const;
  Status advance(Picoseconds now);
  Status decide(Picoseconds now);

  // A request that comes soon needs the expert; true if that is news.
  bool expect(ExpertId expert);

  // Faults. A cancelled request fails at the next token; a lost channel loses what HBM holds.
  void cancel(uint32_t request, Picoseconds now);
  void set_hbm_share(double share);  // of the cache's capacity that is left; after lose_everything
  void scale_bandwidth(SharedResource resource, double factor, Picoseconds now);
  void corrupt_next_copies(int64_t copies, std::optional<ExpertId> expert);
  // Takes everything away, as a fault does: returns the unfinished requests, in order of arrival, as they
  // were before they arrived here.
  std::vector<uint32_t> lose_everything(Picoseconds now);
  void set_down(bool down) { down_ = down; }
  [[nodiscard]] bool down() const { return down_; }

  [[nodiscard]] bool resident(ExpertId expert) const;
  [[nodiscard]] int64_t pending() const { return pending_; }
  [[nodiscard]] const std::array<Picoseconds, kActivities>& activity_times() const { return activity_times_; }
  [[nodiscard]] Bytes cache_peak() const { return cache_->peak(); }
  [[nodiscard]] const KvPool& kv() const { return kv_; }
  [[nodiscard]] Picoseconds dma_busy() const { return dma_.busy_time(); }
  [[nodiscard]] Picoseconds slowed_by_copies() const { return slowed_; }
  [[nodiscard]] const ExpertCache& cache() const { return *cache_; }
  void check_memory() const;
  void persist(Archive& a);

 private:
  // An expert's requests and its stay in HBM.
  struct Work {
    uint32_t head = kEndOfList;  // waiting, by turn
    uint32_t tail = kEndOfList;
    int64_t waiting = 0;
    std::vector<uint32_t> running;      // by turn
    std::vector<uint32_t> paged;        // KV in DDR or on the way
    std::optional<Picoseconds> wanted;  // since when the stream has wanted it, while it was not ready
    Picoseconds ready_at;
    bool fresh = false;        // copied on demand, not yet used
    bool speculative = false;  // prefetched, not yet used
    size_t residency = 0;      // its latest entry of the timeline
    bool unavailable = false;  // its copy in DDR is damaged
  };
  struct Pass {
    Activity kind = Activity::kIdle;
    ExpertId expert;
    std::vector<uint32_t> requests;
    int64_t sequences = 0;  // of decode: requests, each as often as it has copies
    int64_t work_ps = 0;    // left, at full speed
    int64_t whole_ps = 0;
    int64_t scrub_ps = 0;  // part of it: pages that another owner left
    int64_t speed = kFullSpeed;
    int64_t steps = 0;  // of decode
    int64_t context = 0;
    int64_t chunk_to = 0;    // of prefill: tokens done after it
    bool gated = false;      // its expert is still being copied
    bool stalled = false;    // and the last layer is not there
    bool was_gated = false;  // at its start
    Picoseconds started;
    Bandwidths demand{};
    int64_t energy_nj = 0;
    [[nodiscard]] bool busy() const { return kind != Activity::kIdle; }
  };

  [[nodiscard]] uint32_t model_of(ExpertId e) const { return state_.roster.experts[e.value].model; }
  [[nodiscard]] bool iterates() const { return !traits_.pairs; }
  [[nodiscard]] StreamView view(Picoseconds now) const;
  [[nodiscard]] int64_t sequences(const std::vector<uint32_t>& requests) const;
  [[nodiscard]] Bytes kv_bytes(uint32_t request, int64_t outputs) const;
  [[nodiscard]] Bytes held_block_bytes(uint32_t request) const;
  void changed(ExpertId expert);
  void set_activity(Activity activity, Picoseconds now);

  // group.cpp: events and speeds.
  void settle(Picoseconds now);
  void retune();
  [[nodiscard]] std::optional<Picoseconds> pass_event() const;
  [[nodiscard]] int64_t last_layer_ps() const;
  Status finish_pass(Picoseconds now);
  void persist_pass(Archive& a);
  void share_energy();
  Status choose(Picoseconds now);

  // group_run.cpp: the stream.
  [[nodiscard]] bool should_route() const;
  Status start_route(Picoseconds now);
  Result<StreamCost> route_cost(int64_t batch, int64_t longest_prompt);
  Status finish_route(Picoseconds now);
  Status run(ExpertId expert, Picoseconds now);
  void start_pass(Activity kind, ExpertId expert, const StreamCost& cost, int64_t host_ps, Picoseconds now);
  void admit(ExpertId expert);
  bool take_kv(uint32_t request);
  int64_t kv_scrub_ps();
  Status start_prefill(ExpertId expert, Picoseconds now);
  void begin_request(uint32_t request, Picoseconds now);
  Status finish_prefill(Picoseconds now);
  Status start_decode(ExpertId expert, Picoseconds now);
  [[nodiscard]] int64_t steps_allowed(ExpertId expert) const;
  bool grow_kv(int64_t steps);
  Result<StreamCost> decode_cost(int64_t steps);
  Status run_out_of_kv(ExpertId expert, Picoseconds now);
  Status finish_decode(Picoseconds now);
  Status cut_decode(Picoseconds now);
  void finish_request(uint32_t request, Picoseconds now);
  void fail_request(uint32_t request, const std::string& reason, Picoseconds now);
  void release_memory(uint32_t request);
  void drop_dead_heads(Work& work);
  [[nodiscard]] std::optional<uint32_t> first_waiting(const Work& work) const;

  // group_copy.cpp: the DMA.
  [[nodiscard]] bool ready(ExpertId expert) const;
  [[nodiscard]] bool small(ExpertId expert) const;
  [[nodiscard]] bool has_work(ExpertId expert) const;
  ExpertCache& home(ExpertId expert) { return small(expert) ? *sram_ : *cache_; }
  [[nodiscard]] const ExpertCache& home(ExpertId expert) const { return small(expert) ? *sram_ : *cache_; }
  bool start_copy(ExpertId expert, bool demanded, const ExpertCache::MayGo& may_go, Picoseconds now);
  void demand(ExpertId expert, Picoseconds now);
  void prefetch(Picoseconds now);
  void prefetch_expected(Picoseconds now);
  void predict(Picoseconds now);
  void evicted(ExpertId expert, Picoseconds now);
  void give_up(const Copy& copy, Picoseconds now);
  void fail_all(ExpertId expert, const std::string& reason, Picoseconds now);
  void push_kv_copy(CopyKind kind, uint32_t request);
  Status finish_copies(Picoseconds now);
  void finish_expert_copy(const Copy& copy, Picoseconds now);
  [[nodiscard]] bool may_start_early(ExpertId expert) const;
  [[nodiscard]] bool first_layer_there(ExpertId expert) const;
  [[nodiscard]] double first_layer_share(ExpertId expert) const;
  bool make_kv_room(ExpertId runs);
  [[nodiscard]] bool kv_moves() const;
  [[nodiscard]] Bytes growth_reserve(ExpertId expert) const;
  void page_out(uint32_t request);
  bool page_in(ExpertId expert);

  GroupSetup setup_;
  ServingState& state_;
  Dispatch& dispatch_;
  const EngineOptions& options_;
  std::unique_ptr<Scheduler> scheduler_;
  SchedulerTraits traits_;
  std::unique_ptr<ExpertCache> cache_;
  std::unique_ptr<ExpertCache> sram_;  // null: experts are never copied to SRAM
  KvPool kv_;
  Bytes kv_scrubbed_;  // of kv_.scrubbed(): its time is counted
  Dma dma_;
  Predictor predictor_;
  std::vector<Work> work_;           // by ExpertId
  std::vector<bool> user_pinned_;    // by ExpertId
  std::vector<int64_t> copy_bytes_;  // by ExpertId: of a switch
  std::vector<uint32_t> owner_;      // by ExpertId: 0 everybody's
  std::vector<uint32_t> unrouted_;
  size_t unrouted_head_ = 0;
  int64_t routed_pending_ = 0;  // routed, not started
  int64_t admitted_ = 0;        // started, not ended
  int64_t pending_ = 0;         // not ended
  bool cut_wanted_ = false;     // an arrival wants the stream at the next token
  Pass pass_;
  std::optional<ExpertId> current_;
  Picoseconds current_since_;
  int64_t current_steps_ = 0;
  bool chunk_last_ = false;          // the last pass was a chunk of a prompt: decode comes first now
  std::optional<ExpertId> awaited_;  // the stream waits for its copy
  Picoseconds settled_;
  Activity activity_ = Activity::kIdle;
  Picoseconds activity_since_;
  std::array<Picoseconds, kActivities> activity_times_{};
  Picoseconds slowed_;
  Bandwidths capacity_{};
  std::array<double, kSharedResources> health_{1, 1, 1};
  int64_t corrupt_copies_ = 0;
  std::optional<ExpertId> corrupt_expert_;
  bool down_ = false;
  bool prediction_due_ = false;
  Bytes whole_cache_;  // capacity for experts while all channels are there
  std::vector<ExpertId> upcoming_;
  std::vector<ExpertId> expected_;  // by steps of flows that have not come yet; first come, first copied
  std::vector<uint32_t> batch_;
};

}  // namespace rdusim::runtime
