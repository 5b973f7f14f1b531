// last_token: keeps the last row of each sequence: what a language model's next token or an embedding is made
// from.
#include "compiler/ops/op.h"
#include "compiler/ops/sequence_row.h"

namespace rdusim::compiler {
namespace {

OpCost cost(const Graph&, const Node&) {
  return OpCost{};
}

Tensor reference(const ReferenceContext& context) {
  return sequence_row_reference(context, SequenceRow::kLast);
}

Status lower(Lowering& l, const Node& node) {
  return lower_sequence_row(l, node, SequenceRow::kLast);
}

}  // namespace

const OpRecord kLastTokenRecord = {
    .doc = "x [B*T,h] -> [B,h]: row T-1 of each sequence",
    .attributes = {"query_tokens"},
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = infer_sequence_row,
    .cost = cost,
    .reference = reference,
    .lower = lower,
};

}  // namespace rdusim::compiler
