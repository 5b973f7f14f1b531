// See prune.h.
#include "compiler/graph/prune.h"

#include <algorithm>
#include <utility>

namespace rdusim::compiler {
namespace {

bool is_state(const Value& value) {
  return value.role == SymbolRole::kKvCache || value.role == SymbolRole::kState;
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

bool updates_state(const Graph& graph, const Node& node) {
  return std::any_of(node.inputs.begin(), node.inputs.end(),
                     [&](ValueId id) { return is_state(graph.value(id)); });
}

void remove_unread(Graph& graph) {
  drop(graph, live_nodes(graph));
}

}  // namespace rdusim::compiler
