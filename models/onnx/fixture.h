// ONNX fixtures, in the layout of the ONNX project's own test sets: a folder with model.onnx and, in
// test_data_set_0, _1 ..., input_0.pb ..., output_0.pb ..., a TensorProto each.
//
// Tolerances: FP32 activations within 1e-3 of the largest expected magnitude (or of 1; other orders of
// summation, other exp); BF16 within 4 % of it, and each row within a cosine of 0.995: storing in BF16 rounds
// by up to 0.4 %, and the fixtures' graphs round some ten times in a row.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/io/onnx_file.h"
#include "base/result.h"
#include "base/tensor.h"
#include "models/fixture.h"

namespace rdusim::models {

struct OnnxFixture {
  std::string name;
  OnnxFile file;
  struct Set {
    TensorMap inputs;   // by the file's input names
    TensorMap outputs;  // by the file's output names
  };
  std::vector<Set> sets;  // at least one
};
Result<OnnxFixture> load_onnx_fixture(const std::string& folder);

// Makes an executor that takes weights and constants from a source, which it keeps.
using ExecutorMaker = std::function<GraphExecutor(const WeightSource& source)>;
Result<FixtureReport> check_onnx_fixture(const OnnxFixture& fixture, const FixtureOptions& options,
                                         const ExecutorMaker& make_executor);

}  // namespace rdusim::models
