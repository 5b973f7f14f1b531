// Packed projections: exporters leave one product for queries, keys and values, and cut its result. Where
// nothing but parts of the columns is read, each part becomes a product of its own with a part of the
// weights: the same sums, no cut, and every socket can have its own heads. Left as it is: a product that is
// also read whole, and parts that are no range of columns (heads of queries, keys and values in turn).
#include <fmt/format.h>

#include <vector>

#include "compiler/graph/prune.h"
#include "models/onnx/importer.h"

namespace rdusim::models::onnx {

using compiler::Graph;
using compiler::Node;
using compiler::OpKind;
using compiler::Value;

namespace {

// By value: whether something other than a cut of columns reads it, and whether a cut does.
struct Readers {
  bool whole = false;
  bool cut = false;
};

std::vector<Readers> readers_of(const Graph& graph) {
  std::vector<Readers> readers(graph.values.size());
  for (const Node& node : graph.nodes) {
    for (const ValueId id : node.inputs) {
      Readers& of = readers[id.value];
      (node.op == OpKind::kSliceCols ? of.cut : of.whole) = true;
    }
  }
  for (size_t v = 0; v < graph.values.size(); ++v) {
    if (graph.values[v].role == SymbolRole::kOutput) readers[v].whole = true;
  }
  return readers;
}

}  // namespace

void Importer::unpack_projections(Graph& graph) {
  const std::vector<Readers> readers = readers_of(graph);
  bool changed = false;
  for (Node& node : graph.nodes) {
    if (node.op != OpKind::kSliceCols) continue;
    const ValueId packed = node.inputs[0];
    const Value& value = graph.value(packed);
    if (readers[packed.value].whole || !value.producer) continue;
    const Node& product = graph.node(*value.producer);
    if (product.op != OpKind::kLinear) continue;
    const int64_t first = node.integer("begin");
    const int64_t count = node.integer("count");
    std::vector<ValueId> inputs = {product.inputs[0]};
    for (size_t i = 1; i < product.inputs.size(); ++i) {
      Value part = graph.value(product.inputs[i]);
      Import::Source source = import_.sources_.at(part.source);
      source.first += first;
      source.count = count;
      const bool is_bias = i > 1;
      (is_bias ? part.shape.dims[1] : part.shape.dims[0]) = count;
      part.full_shape = part.shape;
      part.source += fmt::format(" from {} on {}", source.first, count);
      part.name = unique_name(graph.value(node.outputs[0]).name + (is_bias ? ".b" : ".w"));
      import_.sources_[part.source] = std::move(source);
      inputs.push_back(ValueId(graph.values.size()));
      graph.values.push_back(std::move(part));
    }
    node.op = OpKind::kLinear;
    node.inputs = std::move(inputs);
    node.attributes.clear();
    changed = true;
  }
  if (changed) compiler::remove_unread(graph);
}

}  // namespace rdusim::models::onnx
