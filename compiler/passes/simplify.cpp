// simplify: three rewrites of the graph that leave every value it gives unchanged.
//
//   repeats    a node with the same operator, operands, attributes and layer as an earlier one gives way to
//   it identity   picking the last row of sequences of one row gives way to its operand dead code  nodes
//   whose result reaches no output and which update no state are dropped, and so are
//              sources that nobody reads any more
// Left out: folding of constants. Constants are named generators (rotary tables, masks), not literal tensors;
// they are computed once, when a program's memory is filled.
#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "compiler/passes/pass.h"

namespace rdusim::compiler {
namespace {

bool is_state(const Value& value) {
  return value.role == SymbolRole::kKvCache || value.role == SymbolRole::kState;
}

bool updates_state(const Graph& graph, const Node& node) {
  return std::any_of(node.inputs.begin(), node.inputs.end(),
                     [&](ValueId id) { return is_state(graph.value(id)); });
}

std::string key_of(const Node& node) {
  std::string key = fmt::format("{}", static_cast<int>(node.op));
  for (const ValueId id : node.inputs) key += fmt::format(" %{}", id.value);
  for (const Attribute& a : node.attributes) {
    key += fmt::format(" {}=", a.name);
    std::visit([&](auto v) { key += fmt::format("{}", v); }, a.value);
  }
  return key + fmt::format(" layer {}", node.layer.value_or(-1));
}

bool is_identity(const Graph& graph, const Node& node) {
  if (node.op != OpKind::kLastToken || node.integer("query_tokens") != 1) return false;
  const Value& in = graph.value(node.inputs[0]);
  const Value& out = graph.value(node.outputs[0]);
  return in.dtype == out.dtype && in.shape.rows() == out.shape.rows();
}

// Makes later nodes read the value that stands for each result.
void merge(Graph& graph) {
  std::vector<ValueId> stands_for;
  for (size_t v = 0; v < graph.values.size(); ++v) stands_for.emplace_back(v);
  std::map<std::string, ValueId> seen;
  for (Node& node : graph.nodes) {
    for (ValueId& id : node.inputs) id = stands_for[id.value];
    const ValueId result = node.outputs[0];
    // An output keeps its name, and a state is updated as often as the graph says.
    if (graph.value(result).role != SymbolRole::kActivation || updates_state(graph, node)) continue;
    if (is_identity(graph, node)) {
      stands_for[result.value] = node.inputs[0];
      continue;
    }
    const auto [it, fresh] = seen.try_emplace(key_of(node), result);
    const Value& first = graph.value(it->second);
    if (!fresh && first.dtype == graph.value(result).dtype) stands_for[result.value] = it->second;
  }
}

std::vector<bool> live_nodes(const Graph& graph) {
  std::vector<bool> wanted(graph.values.size(), false);
  std::vector<bool> live(graph.nodes.size(), false);
  for (size_t n = graph.nodes.size(); n-- > 0;) {
    const Node& node = graph.nodes[n];
    const ValueId result = node.outputs[0];
    live[n] = wanted[result.value] || graph.value(result).role != SymbolRole::kActivation ||
              updates_state(graph, node);
    if (!live[n]) continue;
    for (const ValueId id : node.inputs) wanted[id.value] = true;
  }
  return live;
}

// Drops what is not live; ids close up.
void drop(Graph& graph, const std::vector<bool>& live) {
  std::vector<bool> used(graph.values.size(), false);
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    if (!live[n]) continue;
    for (const ValueId id : graph.nodes[n].inputs) used[id.value] = true;
    for (const ValueId id : graph.nodes[n].outputs) used[id.value] = true;
  }
  std::vector<ValueId> value_id(graph.values.size());
  std::vector<Value> values;
  for (size_t v = 0; v < graph.values.size(); ++v) {
    value_id[v] = ValueId(values.size());
    if (used[v]) values.push_back(std::move(graph.values[v]));
  }
  std::vector<Node> nodes;
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    if (!live[n]) continue;
    Node& node = nodes.emplace_back(std::move(graph.nodes[n]));
    for (ValueId& id : node.inputs) id = value_id[id.value];
    for (ValueId& id : node.outputs) {
      id = value_id[id.value];
      values[id.value].producer = NodeId(nodes.size() - 1);
    }
  }
  graph.values = std::move(values);
  graph.nodes = std::move(nodes);
}

}  // namespace

Status simplify(Compilation& compilation) {
  Graph& graph = compilation.graph;
  const bool has_output = std::any_of(graph.values.begin(), graph.values.end(), [](const Value& v) {
    return v.producer.has_value() && v.role != SymbolRole::kActivation;
  });
  if (!has_output) return {};  // a fragment: whatever it computes is wanted
  merge(graph);
  drop(graph, live_nodes(graph));
  return {};
}

}  // namespace rdusim::compiler
