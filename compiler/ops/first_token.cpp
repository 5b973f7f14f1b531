// first_token: keeps the first row of each sequence: the class token of a vision tower.
#include "compiler/ops/op.h"
#include "compiler/ops/sequence_row.h"

namespace rdusim::compiler {
namespace {

OpCost cost(const Graph&, const Node&) {
  return OpCost{};
}

Tensor reference(const ReferenceContext& context) {
  return sequence_row_reference(context, SequenceRow::kFirst);
}

Status lower(Lowering& l, const Node& node) {
  return lower_sequence_row(l, node, SequenceRow::kFirst);
}

}  // namespace

const OpRecord kFirstTokenRecord = {
    .doc = "x [B*T,h] -> [B,h]: the first row of each sequence",
    .attributes = {"query_tokens"},
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = infer_sequence_row,
    .cost = cost,
    .reference = reference,
    .lower = lower,
};

}  // namespace rdusim::compiler
