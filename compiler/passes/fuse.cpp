// fuse: section borders. kNone: one operator a section, with the collective that completes it (a row-parallel
// linear is one operator of a framework, its all-reduce inside). kLayer: each repetition of the repeated
// block (decoder layer) is a section, and so is what stands before and after. kAuto: within each of these,
// borders by a cost model (fuse_cost.h). Groups that do the same on tensors of the same shape share one
// section, so 80 layers are lowered once and launched 80 times.
#include <map>
#include <set>

#include <fmt/format.h>

#include "compiler/passes/fuse_cost.h"
#include "compiler/passes/lowering.h"
#include "compiler/passes/pass.h"

namespace rdusim::compiler {
namespace {

bool is_collective(const Node& node) {
  return node.op == OpKind::kAllReduce || node.op == OpKind::kAllGather;
}

bool takes_result_of(const Graph& graph, const Node& node, const Group& group) {
  return graph.value(node.inputs[0]).producer == group.nodes.back();
}

std::vector<Group> group_nodes(const Graph& graph, Fusion fusion) {
  std::vector<Group> groups;
  const bool by_layer = fusion != Fusion::kNone;
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    const bool joins =
        !groups.empty() && (by_layer ? graph.node(groups.back().nodes.back()).layer == node.layer
                                     : is_collective(node) && takes_result_of(graph, node, groups.back()));
    if (!joins) {
      std::string name = generic_name(node.name);
      if (by_layer) name = node.layer ? "layer" : groups.empty() ? "entry" : "head";
      groups.push_back(Group{std::move(name), {}, {}, 0, false, {}});
    }
    groups.back().nodes.push_back(NodeId(i));
  }
  return groups;
}

// What a section does with a tensor does not hang on who made it or reads it beside: inputs and outputs of
// the graph count as activations.
SymbolRole role_in_section(SymbolRole role) {
  const bool border = role == SymbolRole::kInput || role == SymbolRole::kOutput;
  return border ? SymbolRole::kActivation : role;
}

std::string describe(const Value& v, bool written, bool kept) {
  return fmt::format("{}x{}/{}x{}:{}:{}:{}.{}.{}:{}{}", v.shape.rows(), v.shape.cols(), v.full_shape.rows(),
                     v.full_shape.cols(), dtype_name(v.dtype), static_cast<int>(role_in_section(v.role)),
                     static_cast<int>(v.shard.kind), v.shard.shards, v.shard.granule, written ? "w" : "r",
                     kept ? "k" : "");
}

}  // namespace

std::vector<std::optional<size_t>> last_readers(const Graph& graph) {
  std::vector<std::optional<size_t>> last(graph.values.size());
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    for (const ValueId input : graph.nodes[n].inputs) last[input.value] = n;
  }
  return last;
}

std::string bind_externals(const Graph& graph, Group& group, const std::vector<std::optional<size_t>>& last) {
  std::string signature;
  std::map<ValueId, std::string> names;  // value -> wiring label within the group
  std::set<ValueId> produced;
  for (size_t n = 0; n < group.nodes.size(); ++n) {
    const Node& node = graph.node(group.nodes[n]);
    signature += fmt::format("{}(", op_name(node.op));
    for (const Attribute& a : node.attributes) {
      signature += a.name + "=";
      std::visit([&](auto v) { signature += fmt::format("{}", v); }, a.value);
      signature += ",";
    }
    for (const ValueId input : node.inputs) {
      if (!names.contains(input)) {
        names[input] =
            fmt::format("e{}[{}]", group.externals.size(), describe(graph.value(input), false, false));
        group.externals.push_back(input);
      }
      signature += " " + names[input];
    }
    signature += ")->";
    for (const ValueId output : node.outputs) {
      const Value& value = graph.value(output);
      const bool leaves = value.role == SymbolRole::kOutput ||
                          (last[output.value] && *last[output.value] > group.nodes.back().value);
      names[output] = fmt::format("n{}", n);
      produced.insert(output);
      if (leaves) group.externals.push_back(output);
      signature += describe(value, true, leaves) + ";";
    }
  }
  return signature;
}

Status fuse(Compilation& compilation) {
  const Graph& graph = compilation.graph;
  const Fusion fusion = compilation.options.fusion;
  compilation.groups = group_nodes(graph, fusion);
  compilation.fusion = fusion;
  if (fusion == Fusion::kAuto) {
    const size_t blocks = compilation.groups.size();
    RDU_CHECK_OK(split_by_cost(compilation));
    if (compilation.groups.size() == blocks) compilation.fusion = Fusion::kLayer;
  }
  const auto last = last_readers(graph);
  std::map<std::string, size_t> sections;
  for (Group& group : compilation.groups) {
    if (group.border.empty()) group.border = fmt::format("--fusion {}", fusion_name(fusion));
    const std::string signature = bind_externals(graph, group, last);
    const auto [it, fresh] = sections.try_emplace(signature, sections.size());
    group.section = it->second;
    group.first_of_section = fresh;
  }
  compilation.section_count = sections.size();
  return {};
}

}  // namespace rdusim::compiler
