// Runs graphs with real values through the simulated chip: compile, fill the memory image, simulate at event
// fidelity with values riding on the tokens, read the results back. Caches go from program to program by
// their name.
#pragma once

#include <string>

#include "base/arch/chip.h"
#include "base/program/run_result.h"
#include "base/result.h"
#include "compiler/compile.h"
#include "compiler/graph/graph.h"
#include "models/fixture.h"
#include "models/model.h"

namespace rdusim::cli {

struct ChipRun {
  models::TensorMap outputs;  // by the name of the graph's output value
  RunResult result;
};

class ChipRunner {
 public:
  // `weights` outlives the runner.
  ChipRunner(NodeSpec node, StackSpec stack, compiler::CompileOptions options,
             const SafetensorsFile& weights);
  ChipRunner(NodeSpec node, StackSpec stack, compiler::CompileOptions options, models::WeightSource weights);

  // `inputs` by value name; `caches` by value name, whole tensors, empty before the first graph of a
  // sequence. Fails when an input is missing, and with whatever compiler and simulator say. All graphs of a
  // sequence are built with the same GraphRequest::kv_capacity, so that their caches have one shape.
  Result<ChipRun> run(const compiler::Graph& graph, const models::TensorMap& inputs,
                      models::TensorMap& caches);

  // The runner as fixtures want it. The runner outlives the executor.
  models::GraphExecutor executor();

 private:
  Result<const Tensor*> weight(const std::string& source);

  NodeSpec node_;
  StackSpec stack_;
  compiler::CompileOptions options_;
  models::WeightSource weights_;
  models::TensorMap weights_read_;  // by source
};

}  // namespace rdusim::cli
