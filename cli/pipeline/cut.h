// A pass cut twice: into stages by layers, and into micro-batches that follow one another through them.
//
// Micro-batches are whole sequences where the batch divides by their number, else (prefill) chunks of the
// prompt: chunk i attends to the caches that the chunks before it filled, and only the last one goes through
// the head. All micro-batches are cut at the same layers, where the stages' estimated times are most even
// (compiler/pipeline/layer_spans.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/arch/chip.h"
#include "base/result.h"
#include "compiler/compile.h"
#include "compiler/pipeline/stages.h"
#include "models/model.h"

namespace CLI {
class App;
}

namespace rdusim::cli {

struct PipelineChoice {
  int64_t stages = 1;
  int64_t micro_batches = 1;
  [[nodiscard]] bool asked_for() const { return stages > 1 || micro_batches > 1; }
};
void add_stages_option(CLI::App& command, PipelineChoice& choice);
void add_micro_batches_option(CLI::App& command, PipelineChoice& choice);

// Sockets of one stage. Fails when the stages do not divide the sockets.
Result<int64_t> sockets_of_stage(int64_t sockets, int64_t stages);

// "stage 1 (layers 16 to 31)"
std::string stage_name(size_t stage, int64_t first_layer, int64_t last_layer);

struct MicroBatches {
  std::vector<models::GraphRequest> requests;  // distinct ones
  std::vector<size_t> request_of;              // by micro-batch
  bool of_tokens = false;                      // chunks of prompts, not whole sequences
};
// Fails when neither the batch nor the prompt can be cut so.
Result<MicroBatches> micro_batches_of(const models::GraphRequest& request, int64_t count);

// One graph in stages, most even by its own costs. `sockets`, `launch_s`: of one stage. Fails when the graph
// has fewer layers than stages, or none.
Result<compiler::StagedGraph> cut_for(const compiler::Graph& graph, const NodeSpec& node, int64_t stages,
                                      const compiler::CompileOptions& stage_options);

struct CutPass {
  std::string name;  // of the pass before it is cut
  MicroBatches batches;
  std::vector<compiler::StagedGraph> graphs;  // by distinct request
};
Result<CutPass> cut_pass(const models::Model& model, const models::GraphRequest& request,
                         const PipelineChoice& choice, const NodeSpec& node,
                         const compiler::CompileOptions& stage_options);

}  // namespace rdusim::cli
