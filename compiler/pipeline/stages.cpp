#include "compiler/pipeline/stages.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "base/check.h"

namespace rdusim::compiler {
namespace {

// Nodes [begin, end) of the graph with the values that they touch, ids closed up.
Graph extract(const Graph& graph, const std::vector<size_t>& last_use, size_t begin, size_t end) {
  Graph part = graph;
  part.values.clear();
  part.nodes.clear();
  std::vector<bool> touched(graph.values.size(), false);
  for (size_t n = begin; n < end; ++n) {
    for (const ValueId id : graph.nodes[n].inputs) touched[id.value] = true;
    for (const ValueId id : graph.nodes[n].outputs) touched[id.value] = true;
  }
  std::vector<ValueId> renumbered(graph.values.size());
  for (size_t v = 0; v < graph.values.size(); ++v) {
    if (!touched[v]) continue;
    renumbered[v] = ValueId(part.values.size());
    Value& value = part.values.emplace_back(graph.values[v]);
    if (!value.producer) continue;
    if (value.producer->value < begin) {
      value.producer.reset();
      value.role = SymbolRole::kInput;
      value.source = value.name;
      continue;
    }
    value.producer = NodeId(value.producer->value - begin);
    if (last_use[v] >= end) value.role = SymbolRole::kOutput;
  }
  for (size_t n = begin; n < end; ++n) {
    Node& node = part.nodes.emplace_back(graph.nodes[n]);
    for (ValueId& id : node.inputs) id = renumbered[id.value];
    for (ValueId& id : node.outputs) id = renumbered[id.value];
  }
  return part;
}

Status check_carried(const Graph& graph, const std::vector<Stage>& stages) {
  std::map<std::string, size_t> owners;
  for (size_t s = 0; s < stages.size(); ++s) {
    for (const Value& value : stages[s].graph.values) {
      if (value.role != SymbolRole::kKvCache && value.role != SymbolRole::kState) continue;
      const auto [it, fresh] = owners.try_emplace(value.name, s);
      if (fresh) continue;
      return Error{ErrorCode::kUnsupported, fmt::format("graph {}, {}", graph.name, value.name),
                   fmt::format("stages {} and {} both use it", it->second, s),
                   "a cache or state belongs to one stage; choose other stages"};
    }
  }
  return {};
}

}  // namespace

Result<StagedGraph> cut_graph(const Graph& graph, std::span<const LayerSpan> spans,
                              std::span<const size_t> starts) {
  RDU_CHECK(!starts.empty() && starts.front() == 0 && starts.back() < spans.size() &&
                std::is_sorted(starts.begin(), starts.end()),
            "{} stages of {} spans", starts.size(), spans.size());
  const std::vector<size_t> last_use = last_uses(graph);
  StagedGraph staged;
  for (size_t s = 0; s < starts.size(); ++s) {
    const size_t next = s + 1 < starts.size() ? starts[s + 1] : spans.size();
    const LayerSpan& first = spans[starts[s]];
    const LayerSpan& last = spans[next - 1];
    Stage stage{extract(graph, last_use, first.begin, last.end), first.layer, last.layer};
    if (starts.size() > 1) stage.graph.name += fmt::format(".stage{}of{}", s, starts.size());
    staged.stages.push_back(std::move(stage));
    if (s == 0) continue;
    const std::vector<ValueId> live = live_across(graph, last_use, first.begin);
    Border& border = staged.borders.emplace_back();
    border.bytes = bytes_of(graph, live);
    for (const ValueId id : live) border.values.push_back(graph.value(id).name);
  }
  RDU_CHECK_OK(check_carried(graph, staged.stages));
  return staged;
}

Graph without_head(const Graph& graph) {
  size_t end = graph.nodes.size();
  while (end > 0 && !graph.nodes[end - 1].layer) --end;
  return extract(graph, last_uses(graph), 0, end == 0 ? graph.nodes.size() : end);
}

}  // namespace rdusim::compiler
