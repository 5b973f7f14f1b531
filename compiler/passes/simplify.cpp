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

#include "compiler/graph/prune.h"
#include "compiler/passes/pass.h"

namespace rdusim::compiler {
namespace {

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

}  // namespace

Status simplify(Compilation& compilation) {
  Graph& graph = compilation.graph;
  const bool has_output = std::any_of(graph.values.begin(), graph.values.end(), [](const Value& v) {
    return v.producer.has_value() && v.role != SymbolRole::kActivation;
  });
  if (!has_output) return {};  // a fragment: whatever it computes is wanted
  merge(graph);
  remove_unread(graph);
  return {};
}

}  // namespace rdusim::compiler
