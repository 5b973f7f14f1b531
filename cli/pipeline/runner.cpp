#include "cli/pipeline/runner.h"

#include <algorithm>
#include <utility>

#include "cli/pipeline/cut.h"
#include "compiler/pipeline/layer_spans.h"

namespace rdusim::cli {
namespace {

NodeSpec node_of_stage(NodeSpec node, const compiler::CompileOptions& options) {
  node.sockets = options.sockets;
  return node;
}

}  // namespace

PipelineRunner::PipelineRunner(const NodeSpec& node, const StackSpec& stack, int64_t stages,
                               const compiler::CompileOptions& options, const models::WeightSource& weights)
    : node_(node),
      stages_(stages),
      options_(options),
      stage_(node_of_stage(node, options), stack, options, weights) {}

Result<models::TensorMap> PipelineRunner::run(const compiler::Graph& graph, const models::TensorMap& inputs,
                                              models::TensorMap& caches) {
  if (stages_ == 1) {
    RDU_ASSIGN(ChipRun run, stage_.run(graph, inputs, caches));
    return std::move(run.outputs);
  }
  RDU_ASSIGN(const compiler::StagedGraph staged, cut_for(graph, node_, stages_of(graph), options_));
  models::TensorMap results;
  models::TensorMap there = inputs;
  for (const compiler::Stage& stage : staged.stages) {
    RDU_ASSIGN(ChipRun run, stage_.run(stage.graph, there, caches));
    for (auto& [name, tensor] : run.outputs) {
      there[name] = tensor;
      results[name] = std::move(tensor);
    }
  }
  return results;
}

int64_t PipelineRunner::stages_of(const compiler::Graph& graph) const {
  if (graph.phase != "encode") return stages_;
  const auto spans = compiler::layer_spans(graph);
  return spans.ok() ? std::min(stages_, static_cast<int64_t>(spans->size())) : stages_;
}

models::GraphExecutor PipelineRunner::executor() {
  return [this](const compiler::Graph& graph, const models::TensorMap& inputs, models::TensorMap& caches) {
    return run(graph, inputs, caches);
  };
}

}  // namespace rdusim::cli
