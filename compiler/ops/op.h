// An operator is one record: doc, attributes, shape rule, cost, reference function and lowering to units.
// To add one: a file compiler/ops/<name>.cpp that defines `const OpRecord k<Name>Record`, and a line in
// ops.def.
#pragma once

#include <functional>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/tensor.h"
#include "compiler/graph/graph.h"

namespace rdusim::compiler {

class Lowering;  // compiler/passes/lowering.h

struct OpCost {
  int64_t flops = 0;         // one multiply-accumulate is two
  int64_t weight_bytes = 0;  // read once
};

// Results of the reference function, and the state it updates.
struct ReferenceContext {
  const Graph* graph = nullptr;
  const Node* node = nullptr;
  std::vector<const Tensor*> inputs;  // as Node::inputs
  std::vector<Tensor*> state;         // as Node::inputs: mutable for KV-cache and state inputs, else null
  bool round_bf16 = false;            // round results stored as BF16 (per the value's dtype)
};

struct OpRecord {
  std::string_view doc;                      // math and shapes, one or two lines
  std::vector<std::string_view> attributes;  // all required, sorted
  int min_inputs = 1;
  int max_inputs = 1;
  // Shape of the result from operand values; the error says which operand does not fit.
  Result<Shape> (*infer)(const Graph& graph, const Node& node) = nullptr;
  OpCost (*cost)(const Graph& graph, const Node& node) = nullptr;
  // The slow, obvious definition, in FP32; the golden model of everything below.
  Tensor (*reference)(const ReferenceContext& context) = nullptr;
  // Adds the operator's units to the section being built.
  Status (*lower)(Lowering& lowering, const Node& node) = nullptr;
  // May be left out of a node; sorted.
  std::vector<std::string_view> optional_attributes = {};
  // Tensor parallelism of an operator that works on each column alone, a letter an operand: 'c' is cut by
  // columns like the first (a source is cut so; an operand of one column is not cut), 'w' is whole on every
  // socket. The result is cut like the first operand. Empty: the operator needs its operands whole.
  std::string_view cut_operands = "";
  // The attribute that says how many columns belong together: a cut of other granules is gathered first.
  std::string_view cut_granule = "";
  // Picks its weights row by row at run time: they are never kept on chip.
  bool gathers_weights = false;
  // A row of the result depends on the same rows of the operands and on constants of one row: blocks of rows
  // may go their way one by one.
  bool row_wise = false;
};

const OpRecord& op_record(OpKind op);

// Checks the number of operands and the attributes against the operator's record, then asks its shape rule.
Result<Shape> infer_shape(const Graph& graph, const Node& node);

#define RDU_OP(enumerator, name) extern const OpRecord enumerator##Record;
#include "compiler/ops/ops.def"
#undef RDU_OP

}  // namespace rdusim::compiler
