#include "compiler/passes/cut_graph.h"

#include <fmt/format.h>

#include "base/check.h"

namespace rdusim::compiler {

CutGraph::CutGraph(const Graph& in, int64_t sockets)
    : in_(in), sockets_(sockets), out_(in), map_(in.values.size()) {
  out_.values.clear();
  out_.nodes.clear();
  out_.sockets = sockets_;
}

bool CutGraph::same_cut(const Value& value, const Shard& a, const Shard& b) const {
  if (a.kind != b.kind) return false;
  if (a == b || a.kind == ShardKind::kReplicated) return true;
  const int64_t extent = a.kind == ShardKind::kCols ? value.shape.cols() : value.shape.rows();
  for (int64_t s = 0; s < sockets_; ++s) {
    const auto in_a = shard_range(a, extent, s, sockets_);
    const auto in_b = shard_range(b, extent, s, sockets_);
    if (in_a.begin != in_b.begin || in_a.size != in_b.size) return false;
  }
  return true;
}

// Local shape of a cut matrix, on socket 0.
Shape CutGraph::local_shape(const Shape& full, const Shard& shard) const {
  const ShardPart part = shard_part(shard, full.rows(), full.cols(), 0, sockets_);
  return Shape{{part.rows, part.cols}};
}

ValueId CutGraph::here(ValueId old) {
  if (const auto it = pending_.find(old); it != pending_.end()) {
    map_[old.value] = sum(in_.node(*in_.value(old).producer), it->second);
    pending_.erase(it);
  }
  RDU_CHECK(map_[old.value], "{} is read before it is made", in_.value(old).name);
  return *map_[old.value];
}

Shard CutGraph::shard_of(ValueId old) const {
  if (is_pending(old)) return kWhole;
  RDU_CHECK(map_[old.value], "{} is read before it is made", in_.value(old).name);
  return out_.value(*map_[old.value]).shard;
}

Result<ValueId> CutGraph::source(ValueId old, const Shard& shard) {
  std::vector<ValueId>& copies = copies_[old];
  for (const ValueId copy : copies) {
    if (sockets_ == 1 || out_.value(copy).shard == shard) return copy;
  }
  Value copy = in_.value(old);
  if (!copies.empty()) {
    copy.name += shard.kind == ShardKind::kRows   ? ".by_rows"
                 : shard.kind == ShardKind::kCols ? ".by_cols"
                                                  : ".whole";
    if (copies.size() > 1) copy.name += fmt::format(".{}", copies.size());
  }
  copies.push_back(add_value(std::move(copy), in_.value(old).shape, shard));
  map_[old.value] = copies.front();
  return copies.back();
}

// The all-gather belongs to the layer that makes the value, so that all layers stay alike.
ValueId CutGraph::gathered(ValueId old) {
  const ValueId cut = here(old);
  if (out_.value(cut).shard.kind == ShardKind::kReplicated) return cut;
  if (const auto it = whole_.find(old); it != whole_.end()) return it->second;
  Value value = in_.value(old);
  value.name += ".whole";
  value.role = SymbolRole::kActivation;
  const ValueId id =
      add_node(in_.node(*value.producer), OpKind::kAllGather, value.name, {cut},
               {{"full_cols", value.shape.cols()}, {"sockets", sockets_}}, value, value.shape, kWhole);
  whole_[old] = id;
  return id;
}

Result<ValueId> CutGraph::whole(ValueId old) {
  if (!is_made(old)) return source(old, kWhole);
  return gathered(old);
}

ValueId CutGraph::add_value(Value value, const Shape& full, const Shard& shard) {
  value.full_shape = full;
  value.shard = sockets_ == 1 ? kWhole : shard;
  value.shape = local_shape(full, value.shard);
  out_.values.push_back(std::move(value));
  return ValueId(out_.values.size() - 1);
}

ValueId CutGraph::add_node(const Node& like, OpKind op, std::string name, std::vector<ValueId> inputs,
                           std::vector<Attribute> attributes, const Value& result, const Shape& full,
                           const Shard& shard) {
  Value value = result;
  value.producer = NodeId(out_.nodes.size());
  const ValueId id = add_value(std::move(value), full, shard);
  out_.nodes.push_back(Node{op, std::move(name), std::move(inputs), {id}, std::move(attributes), like.layer});
  return id;
}

void CutGraph::finish(const Node& node, std::vector<ValueId> inputs, const Shard& shard,
                      std::vector<Attribute> attributes) {
  const Value& result = in_.value(node.outputs[0]);
  if (attributes.empty()) attributes = node.attributes;
  set(node.outputs[0], add_node(node, node.op, node.name, std::move(inputs), std::move(attributes), result,
                                result.shape, shard));
}

Status CutGraph::copy_replicated(const Node& node) {
  std::vector<ValueId> inputs;
  for (const ValueId input : node.inputs) {
    RDU_ASSIGN(const ValueId id, whole(input));
    inputs.push_back(id);
  }
  finish(node, std::move(inputs), kWhole);
  return {};
}

ValueId CutGraph::parts(const Node& node, std::vector<ValueId> inputs, std::vector<Attribute> attributes) {
  Value partial = in_.value(node.outputs[0]);
  const Shape full = partial.shape;
  partial.name += ".partial";
  partial.role = SymbolRole::kActivation;
  return add_node(node, node.op, node.name, std::move(inputs), std::move(attributes), partial, full, kWhole);
}

ValueId CutGraph::sum(const Node& node, ValueId parts) {
  const Value& result = in_.value(node.outputs[0]);
  return add_node(node, OpKind::kAllReduce, node.name + ".all_reduce", {parts}, {{"sockets", sockets_}},
                  result, result.shape, kWhole);
}

void CutGraph::reduce(const Node& node, std::vector<ValueId> inputs, std::vector<Attribute> attributes) {
  set(node.outputs[0], sum(node, parts(node, std::move(inputs), std::move(attributes))));
}

void CutGraph::leave_pending(const Node& node, std::vector<ValueId> inputs) {
  pending_[node.outputs[0]] = parts(node, std::move(inputs), node.attributes);
}

Graph CutGraph::take() {
  std::vector<ValueId> outputs;
  for (const auto& [old, parts] : pending_) {
    if (in_.value(old).role == SymbolRole::kOutput) outputs.push_back(old);
  }
  for (const ValueId old : outputs) here(old);
  return std::move(out_);
}

}  // namespace rdusim::compiler
