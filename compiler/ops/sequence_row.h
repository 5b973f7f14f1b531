// What first_token and last_token share: one row of each sequence, x [B*T,h] -> [B,h].
#pragma once

#include "base/result.h"
#include "base/tensor.h"
#include "compiler/ops/op.h"

namespace rdusim::compiler {

class Lowering;

enum class SequenceRow { kFirst, kLast };

Result<Shape> infer_sequence_row(const Graph& graph, const Node& node);
Tensor sequence_row_reference(const ReferenceContext& context, SequenceRow which);
Status lower_sequence_row(Lowering& l, const Node& node, SequenceRow which);

}  // namespace rdusim::compiler
