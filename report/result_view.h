// Results as a page shows them, read back from the JSON that the commands write (run_json.h,
// floorplan_json.h, serving.h). Reading the file, not the structs, keeps one way to a page: `serve --html`
// and `rdusim report` show the same. The files are untrusted: every read is checked.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/io/document.h"
#include "base/result.h"
#include "report/manifest.h"

namespace rdusim::report {

struct NamedAmount {
  std::string name;
  double amount = 0;
};
struct CausedBytes {
  std::string wire;
  std::vector<NamedAmount> causes;  // not empty
  [[nodiscard]] double total() const;
};

// --- one pass of a model (simulate)

struct SectionView {
  std::string name;
  std::string bound_by;
  double launches = 0;
  double runs = 0;
  double time_s = 0;
  double share = 0;
  double launch_s = 0;  // of all launches
  double flops = 0;     // one run, one socket
  double hbm_bytes = 0;
  double hbm_bytes_per_s = 0;
  double pcus = 0;
  double pmus = 0;
};

struct TileArea {
  std::string name;
  double level = 0;  // 0 to 1
  std::vector<uint32_t> tiles;
};
struct FloorplanSection {
  std::string name;
  std::vector<TileArea> units;
  std::vector<TileArea> stores;
  std::vector<int> link_levels;  // by tile: -1 nothing, 0 to 10: tenths of the busiest link that leaves it
  double busiest_link = 0;
  double mean_link = 0;
};
struct FloorplanView {
  uint32_t rows = 0;
  uint32_t columns = 0;
  uint32_t dies = 1;
  std::vector<std::string> tiles;
  std::vector<FloorplanSection> sections;
};

struct TierView {
  std::string tier;
  double used_bytes = 0;
  double capacity_bytes = 0;
};
struct HardwareView {
  std::string node;
  double flops_per_s = 0;
  double hbm_bytes_per_s = 0;
  double ddr_bytes_per_s = 0;
  double link_bytes_per_s = 0;
  std::vector<TierView> memory;
};

struct RunView {
  std::string program;
  std::string phase;
  std::string fidelity;
  double sockets = 1;
  double batch = 1;
  double context = 0;
  double latency_s = 0;
  double tokens_per_s = 0;
  double flops_per_s = 0;
  std::vector<CausedBytes> bytes;
  std::vector<NamedAmount> unit_cycles;
  std::vector<SectionView> sections;
  std::optional<HardwareView> hardware;
  std::optional<FloorplanView> floorplan;
};

// --- why (explain); times in seconds

struct ParameterView {
  std::string name;
  std::string unit;
  double value = 0;
  double elasticity = 0;
  double gain_s = 0;  // of 10 % in the better direction
};
struct PathStepView {
  std::string section;
  std::string unit;
  std::string step;
  std::string resource;
  double time_s = 0;
};
struct RunWhyView {
  std::string program;
  std::string fidelity;
  double latency_s = 0;
  std::string bottleneck;
  std::vector<NamedAmount> resources;  // of the critical path, longest first; their times add up to the run's
  std::vector<PathStepView> path;
  std::vector<ParameterView> parameters;  // largest gain first
  std::vector<NamedAmount> bounds;        // the last is what is reached
  std::vector<std::string> stalls;
};
struct NodeWhyView {
  std::string node;
  double mean_s = 0;
  std::vector<NamedAmount> causes;  // of the mean latency
  std::vector<ParameterView> parameters;
  std::vector<std::string> sentences;
};

// --- requests on nodes (serve)

struct SplitView {
  double queueing_s = 0;
  double routing_s = 0;
  double switching_s = 0;
  double prefill_s = 0;
  double decode_s = 0;  // earlier steps of a flow included
  [[nodiscard]] double working_s() const { return routing_s + switching_s + prefill_s + decode_s; }
};
struct QuantilesView {
  double mean_s = 0;
  double p50_s = 0;
  double p95_s = 0;
  double p99_s = 0;
};
struct ExpertView {
  std::string name;
  std::string model;
  double weight_bytes = 0;
  double program_bytes = 0;
  double requests = 0;
  double hits = 0;
  double switches = 0;
};
struct StayView {
  std::string expert;
  double load_begin_s = 0;
  double ready_s = 0;
  std::optional<double> evicted_s;
};
struct RecordView {
  std::string expert;
  bool failed = false;
  double arrival_s = 0;
  double begin_s = 0;  // of prefill
  double end_s = 0;
};
struct OccupancyView {
  double at_s = 0;
  double expert_bytes = 0;
  double kv_bytes = 0;
};
// A flow of several invocations, or one step of it.
struct FlowView {
  std::string name;
  double requests = 0;  // of a step: its invocations
  SplitView split;      // mean of a finished one
  QuantilesView latency;
  std::vector<FlowView> steps;
};
struct NodeView {
  std::string name;
  bool served = false;  // and at least one request finished
  std::string reason;   // why not
  double requests = 0;
  double finished = 0;
  double failed = 0;
  QuantilesView latency;
  QuantilesView ttft;
  double time_per_output_token_s = 0;
  SplitView split;      // mean of a finished request
  SplitView node_time;  // of all; queueing_s is idle time
  double makespan_s = 0;
  double output_tokens_per_s = 0;
  double hit_rate = 0;
  double switches = 0;
  double evictions = 0;
  std::vector<NamedAmount> moved;  // "store_to_hbm"
  std::vector<CausedBytes> pass_bytes;
  double hbm_capacity_bytes = 0;
  double router_bytes = 0;
  double kv_bytes = 0;
  double cache_bytes = 0;
  double store_capacity_bytes = 0;
  double store_used_bytes = 0;
  std::vector<ExpertView> experts;  // those that were asked for
  std::vector<StayView> stays;      // the first of them
  bool all_stays = true;
  std::vector<RecordView> records;  // the first of them
  bool all_records = true;
  std::vector<OccupancyView> occupancy;
  std::vector<FlowView> flows;
  std::vector<NamedAmount> energy_j;  // by cause; empty when not asked for
  double mean_power_w = 0;
  std::vector<double> latency_values_s;  // evenly ranked, ascending
  std::vector<double> ttft_values_s;
  std::vector<double> switching_values_s;

  // What the node spent on a finished request.
  [[nodiscard]] SplitView per_request() const;
};
struct ServingView {
  std::string composition;
  std::vector<NodeView> nodes;
};

Result<RunView> read_run(const DocumentNode& root);
Result<ServingView> read_serving(const DocumentNode& root);
Result<RunWhyView> read_run_why(const DocumentNode& root);
Result<std::vector<NodeWhyView>> read_serving_why(const DocumentNode& root);
// Empty but for its kind when the file has none.
Result<Manifest> read_manifest(const DocumentNode& root);
// Of read_run.
Result<FloorplanView> read_floorplan(const DocumentNode& node);

}  // namespace rdusim::report
