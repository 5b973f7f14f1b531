// What every family does with a GraphRequest: check it, and start the graph that answers it.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "compiler/graph/graph.h"
#include "models/model.h"

namespace rdusim::models {

std::string_view phase_name(Phase phase);  // "prefill", "decode", "embed", "route", "encode"

// kUnsupported: a phase that the model has not. kOutOfRange: sizes below their least, or beyond what 32-bit
// row numbers hold. kInvalidInput: activations other than BF16 and FP32, past tokens where there is no cache.
Status check_request(const Model& model, const GraphRequest& request);

// Refuses a run of more than 2^62 FLOPs (kOutOfRange): counts of work are 64-bit integers.
Status check_work(double flops);

// Name ("llama-1.decode.b1.q1.p17"), phase and sizes; no values yet.
compiler::Graph empty_graph(const std::string& model_name, const GraphRequest& request);

}  // namespace rdusim::models
