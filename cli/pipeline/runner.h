// Runs graphs with real values through a pipeline of simulated chips: cut into stages, each compiled and run
// like any graph (cli/chip_runner.h) on its own sockets; what crosses a border leaves one stage's memory and
// is written into the next one's. Caches stay with the stage that has their layer. An encoder (phase encode)
// with fewer layers than there are stages takes a stage a layer.
#pragma once

#include <cstdint>

#include "cli/chip_runner.h"

namespace rdusim::cli {

class PipelineRunner {
 public:
  // `options`: of one stage; `node`: all sockets.
  PipelineRunner(const NodeSpec& node, const StackSpec& stack, int64_t stages,
                 const compiler::CompileOptions& options, const models::WeightSource& weights);

  // As ChipRunner::run; fails also when the graph cannot be cut into so many stages. Results of all stages,
  // borders included.
  Result<models::TensorMap> run(const compiler::Graph& graph, const models::TensorMap& inputs,
                                models::TensorMap& caches);
  models::GraphExecutor executor();

 private:
  [[nodiscard]] int64_t stages_of(const compiler::Graph& graph) const;

  NodeSpec node_;
  int64_t stages_;
  compiler::CompileOptions options_;
  ChipRunner stage_;
};

}  // namespace rdusim::cli
