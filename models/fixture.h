// Fixtures: a tiny model with weights, inputs and expected outputs, run through whatever can execute a graph
// and compared with what is expected, within the tolerances that came with the fixture.
//
// A folder holds config.json, model.safetensors, inputs.json or inputs.safetensors, expected.safetensors; the
// folder above holds tolerances.json. What is run:
//   causal models   per sequence: prefill of the prompt with all logits, then decode steps that feed the
//   stored greedy ids one by one embedders       per sequence: embed k-NN routers    all queries at once
// Rules: BF16 within the fixture's own tolerances; FP32 activations within 1e-3 absolute (another summation
// order and other exp); the most likely token is the expected one wherever the expected gap exceeds twice the
// tolerance, and for 0.9 of all rows; routers decide exactly.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/io/document.h"
#include "base/io/tensor_file.h"
#include "base/result.h"
#include "base/tensor.h"
#include "compiler/graph/graph.h"
#include "models/model.h"

namespace rdusim::models {

using TensorMap = std::map<std::string, Tensor>;  // by value name

// Runs a graph: inputs by the names of its input values, results by those of its output values. `kv` keeps
// the caches of one sequence (by value name, whole tensors) from one graph to the next; it is empty before
// the first. The weights are the executor's business.
using GraphExecutor =
    std::function<Result<TensorMap>(const compiler::Graph& graph, const TensorMap& inputs, TensorMap& kv)>;

// Executes on the reference interpreter, weights and constants from `file`, read once. `file` outlives the
// executor.
GraphExecutor interpreter_executor(const SafetensorsFile& file);
GraphExecutor interpreter_executor(const WeightSource& source);

struct Fixture {
  std::string name;  // of the folder
  std::string folder;
  std::unique_ptr<Model> model;
  SafetensorsFile weights;
  std::vector<std::vector<int64_t>> prompts;  // empty for routers
  int64_t decode_steps = 0;
  Tensor pixels;             // vision models: [images, channels, size, size]
  Tensor patches;            // encoders of patches: [patches, 2 + values], row and column first; no padding
  int64_t image_token = -1;  // whose positions image features take
  int64_t patch_size = 0;
  double logit_scale = 0;        // CLIP: natural logarithm of the similarities' factor
  Tensor queries;                // routers: [queries, dimension]
  double entropy_threshold = 0;  // routers: nats
  TensorMap expected;            // by tensor name of expected.safetensors
  DocumentNode tolerances;       // the fixture's member of tolerances.json
};
Result<Fixture> load_fixture(const std::string& folder);

struct FixtureOptions {
  DType activations = DType::kBf16;  // kBf16 or kFp32
  bool expose_hidden = true;         // compare layer outputs and the final norm's output too
};

struct FixtureReport {
  std::string name;
  DType dtype = DType::kBf16;
  // Of the main result: logits, embeddings, or similarities.
  double max_abs_error = 0;
  double min_cosine = 1;      // of a row with the expected row
  double top1_agreement = 1;  // share of rows: most likely token; nearest other embedding; chosen expert
  bool passed = false;
  int64_t compared_tensors = 0;
  std::vector<std::string> failures;  // one line each: tensor, what was found, what is allowed
};
// Fails when the model cannot be built or run; a result outside the tolerances is a report that did not pass.
Result<FixtureReport> check_fixture(const Fixture& fixture, const FixtureOptions& options,
                                    const GraphExecutor& execute);

// The two halves of check_fixture: run everything and name the results like the expected tensors; compare.
Result<TensorMap> run_fixture(const Fixture& fixture, const FixtureOptions& options,
                              const GraphExecutor& execute);
Result<FixtureReport> compare_fixture(const Fixture& fixture, DType activations, const TensorMap& results);

}  // namespace rdusim::models
