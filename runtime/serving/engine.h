// Engine: the event loop over socket groups. Events are arrivals, the ends of passes and copies, faults; each
// group knows its own next event, so there is no queue of events but for requests that follow others.
#pragma once

#include <memory>
#include <queue>
#include <tuple>
#include <vector>

#include "runtime/serving/faults.h"
#include "runtime/serving/group.h"
#include "runtime/serving/placement.h"
#include "runtime/serving/serve.h"

namespace rdusim::runtime {

// Nodes of one size share their costs.
struct GroupNode {
  ExecutionModel* execution = nullptr;
  int64_t sockets = 1;
};

class Engine final : private Dispatch {
 public:
  Engine(std::vector<GroupNode> nodes, const Composition& composition, const Jobs& jobs,
         const ExpertRoster& roster, const ServeOptions& options);

  // Memory of every group, placement of experts. False: the composition does not fit; the result says why.
  Result<bool> plan();
  Status run();
  NodeResult finish();
  // The state of an engine that was planned and has not run, from what options.checkpoint.write was given.
  Status resume(std::string_view state);

 private:
  struct Follower {
    uint32_t request = 0;
    bool even_if_failed = false;
    Picoseconds delay;
  };

  Status plan_group(size_t g, const NeighbourShape& neighbours, int64_t batch);
  Status set_up_groups(const NeighbourShape& neighbours, int64_t batch);
  Status set_up_requests();
  void set_up_followers();
  void preload();
  [[nodiscard]] bool exact_prompts() const;
  [[nodiscard]] bool allowed(const Request& request) const;
  void add_record(size_t i);
  void fail_before(uint32_t request, const std::string& reason, Picoseconds now);
  void stop_rest(uint32_t request, Picoseconds now);
  bool settle_failures(Picoseconds now);

  [[nodiscard]] std::optional<Picoseconds> next_event() const;
  void arrivals(Picoseconds now);
  void arrive(uint32_t request, Picoseconds now);
  void start_branches(uint32_t first, Picoseconds now);
  void route_to_group(uint32_t request, Picoseconds now);
  void routed(uint32_t request, Picoseconds now) override;
  void begun(uint32_t request, Picoseconds now) override;
  void ended(uint32_t request, Picoseconds now) override;
  [[nodiscard]] Group* group_for(uint32_t request);
  void apply_faults(Picoseconds now);
  void apply(const FaultEvent& fault, Picoseconds now);
  void cancel(uint32_t request, Picoseconds now);
  void requeue(const std::vector<uint32_t>& requests, Picoseconds now);
  void sample(Picoseconds now);
  void report_progress();
  void check_conservation() const;
  void fill_memory(NodeResult& result) const;
  void fill_counters();
  void fill_energy();
  void persist(Archive& a);
  Status write_checkpoint();

  std::vector<GroupNode> nodes_;
  const ServeOptions& options_;
  const EngineOptions& engine_;
  ServingState state_;
  std::vector<NodePlan> plans_;                            // by group
  std::vector<std::unique_ptr<MemoisedExecution>> memos_;  // one a distinct execution model
  std::vector<std::unique_ptr<PassCosts>> costs_;
  std::vector<std::unique_ptr<Group>> groups_;
  Placement placement_;
  std::vector<FaultEvent> faults_;
  size_t next_fault_ = 0;
  std::vector<std::vector<int64_t>> channels_lost_;  // [group][hbm, ddr]
  uint32_t arrived_ = 0;                             // requests before it have arrived, or follow others
  std::vector<uint32_t> follower_begin_;             // by request, in followers_; empty: none follows
  std::vector<Follower> followers_;
  std::vector<uint32_t> waits_for_;          // by request: ends that are still missing
  bool expects_ = false;                     // a group was told of an expert that it will need
  std::vector<uint32_t> to_fail_;            // what they follow failed
  std::vector<uint32_t> to_stop_;            // with flows: requests a job of which failed
  std::vector<bool> stopped_;                // with flows: by request
  using Due = std::pair<int64_t, uint32_t>;  // time, request
  std::priority_queue<Due, std::vector<Due>, std::greater<>> due_;
  std::vector<OccupancySample> samples_;
  Picoseconds next_sample_;
  int64_t ended_ = 0;
  int64_t reported_ = 0;
  int64_t next_checkpoint_ = 0;  // of ended_
  NodeResult result_;
};

}  // namespace rdusim::runtime
