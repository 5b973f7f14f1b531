// A pass in stages on the simulated chip: every stage's graph is compiled for its sockets and simulated like
// any program; borders are peer-to-peer messages (sim/agcu/peer_link.h), one from each socket to its
// counterpart of the next stage, each the whole of what crosses; the flow shop (sim/pipeline/) puts them in
// order of time.
//
// Decode is a closed loop: a group's next step begins when its tokens have come back from the last stage to
// the first. Prefill and the other phases are one passage of all micro-batches.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/program/run_result.h"
#include "cli/inputs.h"
#include "cli/pipeline/cut.h"
#include "sim/agcu/peer_link.h"
#include "sim/pipeline/flow_shop.h"

namespace rdusim::cli {

struct PipelineRequest {
  models::GraphRequest pass;
  PipelineChoice choice;
  CompileChoice compile;
};

// A program of a stage. Stages and micro-batches of equal structure share one.
struct StageProgram {
  Program program;
  RunResult result;  // empty in what compile_pipeline gives
};

// HBM of one socket while all micro-batches are under way.
struct StageMemory {
  int64_t weight_bytes = 0;  // constants too; wherever they lie
  int64_t cache_bytes = 0;   // caches and states of all micro-batches
  int64_t border_bytes = 0;  // buffers of what comes, goes and passes through
  int64_t hbm_bytes = 0;
  int64_t ddr_bytes = 0;
};

struct PipelineStage {
  int64_t first_layer = 0;
  int64_t last_layer = 0;
  StageMemory memory;
  std::vector<size_t> programs;  // by distinct micro-batch, in PipelineRun::programs
};

struct BorderTraffic {
  std::vector<std::string> values;
  std::vector<sim::agcu::PeerTransfer> transfers;  // by distinct micro-batch
  std::vector<int64_t> bytes;                      // of one message, by distinct micro-batch
};

struct PipelineRun {
  PipelineRequest request;
  std::string name;
  int64_t sockets = 0;
  int64_t stage_sockets = 0;
  MicroBatches batches;
  std::vector<StageProgram> programs;
  std::vector<PipelineStage> stages;
  std::vector<BorderTraffic> borders;
  sim::FlowShop shop;
  sim::FlowRun flow;
  double clock_hz = 0;

  [[nodiscard]] const StageProgram& program_of(size_t stage, size_t micro_batch) const {
    return programs[stages[stage].programs[batches.request_of[micro_batch]]];
  }
  // What the time is judged by: the steady state of a loop, else the passage.
  [[nodiscard]] const sim::FlowWindow& window() const { return flow.steady ? *flow.steady : flow.first; }
  [[nodiscard]] double seconds(double cycles) const { return cycles / clock_hz; }
  [[nodiscard]] int64_t tokens() const;  // of all micro-batches, a round
  [[nodiscard]] int64_t flops() const;
};

// The stages' programs without their runs. Errors of a stage name it.
Result<PipelineRun> compile_pipeline(const models::Model& model, const ChosenNode& chosen,
                                     const PipelineRequest& request);
Result<PipelineRun> run_pipeline(const models::Model& model, const ChosenNode& chosen,
                                 const PipelineRequest& request, const sim::RunOptions& options);

// "stage 1 (layers 16 to 31)"
std::string stage_name(const PipelineRun& run, size_t stage);
// "stage 1 ...", "border 0 to 1", "return to stage 0"
std::string machine_name(const PipelineRun& run, std::optional<size_t> machine);

}  // namespace rdusim::cli
