// How a matrix product of rows and a weight gets its weight: streamed past the rows, or held on chip. Shared
// by linear and by what its gradients ask of the same weight.
#pragma once

#include <string>

#include "compiler/passes/lowering.h"

namespace rdusim::compiler {

// One row block uses weights as they arrive; several hold them, unless the section's weights do not fit.
inline bool weight_streams(const Lowering& l, const Flow& flow) {
  return flow.tokens() == 1 || !l.weights_resident();
}

struct WeightStream {
  MemoryStream range;
  int64_t per_block = 1;  // tokens that pass by each row block
};

// Blocks of the weight's rows, all of them again for each token of `flow`.
inline WeightStream stream_of_weight(const Lowering& l, ValueId weight, const Flow& flow) {
  const Value& w = l.value(weight);
  WeightStream stream;
  stream.range.rows = w.shape.rows();
  stream.range.rows_per_token = l.stream_rows(weight);
  stream.range.cols = w.shape.cols();
  stream.range.repeats = flow.tokens();
  stream.per_block = stream.range.tokens_per_segment();
  return stream;
}

}  // namespace rdusim::compiler
