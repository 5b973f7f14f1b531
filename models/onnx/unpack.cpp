// Packed projections: exporters leave one product for queries, keys and values, and cut its result. Where
// nothing but parts of the columns is read, each part becomes a product of its own with a part of the
// weights: the same sums, no cut, and every socket can have its own heads. A part is a range of columns, or
// ranges joined (queries, keys and values of each head in turn). Left as it is: a product that is also read
// whole.
#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "compiler/graph/prune.h"
#include "models/onnx/importer.h"

namespace rdusim::models::onnx {

using compiler::Graph;
using compiler::Node;
using compiler::OpKind;
using compiler::Value;

namespace {

// Columns of a product's result that make a value, in order.
struct Part {
  ValueId packed;
  std::vector<ColumnRange> ranges;
};

// Columns [first, first + count) of a part.
std::vector<ColumnRange> within(const std::vector<ColumnRange>& ranges, int64_t first, int64_t count) {
  std::vector<ColumnRange> found;
  for (const ColumnRange& range : ranges) {
    const int64_t skipped = std::min(first, range.count);
    const int64_t taken = std::min(count, range.count - skipped);
    if (taken > 0) found.push_back({range.first + skipped, taken});
    first -= skipped;
    count -= taken;
  }
  return found;
}

class Parts {
 public:
  explicit Parts(const Graph& graph) : graph_(graph), of_(graph.values.size()), whole_(graph.values.size()) {
    for (const Node& node : graph.nodes) {
      of_[node.outputs[0].value] = made_by(node);
      const bool cut = node.op == OpKind::kSliceCols || of_[node.outputs[0].value];
      for (const ValueId id : node.inputs) whole_[id.value] = whole_[id.value] || !cut;
    }
    for (size_t v = 0; v < graph.values.size(); ++v)
      whole_[v] = whole_[v] || graph.values[v].role == SymbolRole::kOutput;
  }

  // Of a node that something else than a cut reads; null: it makes no part.
  [[nodiscard]] const Part* read(const Node& node) const {
    const std::optional<Part>& part = of_[node.outputs[0].value];
    const bool wanted = part && whole_[node.outputs[0].value] && !whole_[part->packed.value];
    return wanted ? &*part : nullptr;
  }

 private:
  [[nodiscard]] std::optional<Part> made_by(const Node& node) const {
    if (node.op == OpKind::kSliceCols) return cut(node);
    if (node.op != OpKind::kConcatCols) return std::nullopt;
    const std::optional<Part>& left = of_[node.inputs[0].value];
    const std::optional<Part>& right = of_[node.inputs[1].value];
    if (!left || !right || left->packed != right->packed) return std::nullopt;
    Part both = *left;
    both.ranges.insert(both.ranges.end(), right->ranges.begin(), right->ranges.end());
    return both;
  }

  [[nodiscard]] std::optional<Part> cut(const Node& node) const {
    const ValueId from = node.inputs[0];
    const Value& value = graph_.value(from);
    const int64_t first = node.integer("begin");
    const int64_t count = node.integer("count");
    if (const std::optional<Part>& outer = of_[from.value])
      return Part{outer->packed, within(outer->ranges, first, count)};
    if (!value.producer || graph_.node(*value.producer).op != OpKind::kLinear) return std::nullopt;
    return Part{from, {{first, count}}};
  }

  const Graph& graph_;
  std::vector<std::optional<Part>> of_;  // by value
  std::vector<bool> whole_;              // by value: read by something other than a cut
};

// "12..15 16..19": the columns, for a name that says which.
std::string ranges_text(const std::vector<ColumnRange>& ranges) {
  std::string text;
  for (const ColumnRange& range : ranges)
    text += fmt::format(" {}..{}", range.first, range.first + range.count - 1);
  return text;
}

}  // namespace

void Importer::unpack_projections(Graph& graph) {
  const Parts parts(graph);
  bool changed = false;
  for (Node& node : graph.nodes) {
    const Part* part = parts.read(node);
    if (part == nullptr) continue;
    const Node& product = graph.node(*graph.value(part->packed).producer);
    const int64_t count = graph.value(node.outputs[0]).shape.cols();
    std::vector<ValueId> inputs = {product.inputs[0]};
    for (size_t i = 1; i < product.inputs.size(); ++i) {
      Value value = graph.value(product.inputs[i]);
      Import::Source source = import_.sources_.at(value.source);
      source.part = part->ranges;
      const bool is_bias = i > 1;
      (is_bias ? value.shape.dims[1] : value.shape.dims[0]) = count;
      value.full_shape = value.shape;
      value.source += " from" + ranges_text(part->ranges);
      value.name = unique_name(graph.value(node.outputs[0]).name + (is_bias ? ".b" : ".w"));
      import_.sources_[value.source] = std::move(source);
      inputs.push_back(ValueId(graph.values.size()));
      graph.values.push_back(std::move(value));
    }
    node.op = OpKind::kLinear;
    node.inputs = std::move(inputs);
    node.attributes.clear();
    changed = true;
  }
  if (changed) compiler::remove_unread(graph);
}

}  // namespace rdusim::models::onnx
