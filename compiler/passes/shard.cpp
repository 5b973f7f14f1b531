// shard: tensor and expert parallelism. Walks the graph once and rebuilds it for one socket of S.
//
// Column-parallel linears (weight rows cut) take a replicated input and give a column-sharded result;
// row-parallel ones (weight columns cut) take a sharded input and give partial sums, followed by an
// all-reduce. Heads are the unit of division in attention; with fewer key/value heads than sockets, S /
// kv_heads sockets share one (its weights and cache are held by each). What needs a whole row (norms,
// residual adds, top-k) gets an all-gather. Published practice: operators are cut this way in TP8 (P Sec
// VI-C); the split of the embedding table by columns is assumed: it keeps every weight held once.
//
// Experts of a mixture are cut like any MLP (tensor), or go whole to groups of sockets (expert): rows are on
// every socket, so each works on the pairs of its own experts, and the all-reduce that tensor parallelism has
// anyway adds what they give. No all-to-all: it would pay where rows, too, were cut over the sockets. All
// sockets run one program; what differs is the constant that names a socket's first expert.
#include <map>

#include <fmt/format.h>

#include "base/check.h"
#include "compiler/ops/op.h"
#include "compiler/passes/pass.h"
#include "compiler/passes/shard_experts.h"
#include "compiler/passes/shard_heads.h"

namespace rdusim::compiler {
namespace {

class Sharder {
 public:
  Sharder(const Graph& in, const CompileOptions& options)
      : in_(in), options_(options), sockets_(options.sockets), map_(in.values.size()) {
    out_ = in;
    out_.values.clear();
    out_.nodes.clear();
    out_.sockets = sockets_;
  }

  Result<Graph> run() {
    RDU_CHECK_OK(mark_head_granules());
    for (const Node& node : in_.nodes) RDU_CHECK_OK(rebuild(node));
    return std::move(out_);
  }

 private:
  static constexpr Shard kWhole{};

  // The granule of a projection's columns is what attention and rope divide by: a head.
  Status mark_head_granules() {
    for (size_t i = in_.nodes.size(); i-- > 0;) {
      const Node& node = in_.nodes[i];
      if (is_attention(node)) {
        RDU_CHECK_OK(check_heads(node, sockets_));
        for (size_t k = 0; k < node.inputs.size(); ++k)
          wanted_[node.inputs[k]] = cut_by_heads(node, k, sockets_);
      }
      // What works on columns or heads alone passes the wish on to its operand.
      if (node.op == OpKind::kRope || !op_record(node.op).cut_operands.empty()) {
        if (const auto it = wanted_.find(node.outputs[0]); it != wanted_.end())
          wanted_[node.inputs[0]] = it->second;
      }
    }
    return {};
  }

  // Whether two cuts of a value give every socket the same columns.
  bool same_cut(const Value& value, const Shard& a, const Shard& b) const {
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

  // Local shape of a sharded matrix, on socket 0.
  Shape local_shape(const Shape& full, const Shard& shard) const {
    const ShardPart part = shard_part(shard, full.rows(), full.cols(), 0, sockets_);
    return Shape{{part.rows, part.cols}};
  }

  ValueId add_value(Value value, const Shape& full, const Shard& shard) {
    value.full_shape = full;
    value.shard = sockets_ == 1 ? kWhole : shard;
    value.shape = local_shape(full, value.shard);
    out_.values.push_back(std::move(value));
    return ValueId(out_.values.size() - 1);
  }

  // A source tensor cut as asked. Two consumers that want different cuts need two copies.
  Result<ValueId> source(ValueId old, const Shard& shard) {
    const Value& value = in_.value(old);
    std::vector<ValueId>& copies = copies_[old];
    for (const ValueId copy : copies) {
      if (sockets_ == 1 || out_.value(copy).shard == shard) return copy;
    }
    Value copy = value;
    if (!copies.empty()) {
      copy.name += shard.kind == ShardKind::kRows   ? ".by_rows"
                   : shard.kind == ShardKind::kCols ? ".by_cols"
                                                    : ".whole";
      if (copies.size() > 1) copy.name += fmt::format(".{}", copies.size());
    }
    copies.push_back(add_value(std::move(copy), value.shape, shard));
    map_[old.value] = copies.front();
    return copies.back();
  }

  ValueId add_node(const Node& like, OpKind op, std::string name, std::vector<ValueId> inputs,
                   std::vector<Attribute> attributes, const Value& result, const Shape& full,
                   const Shard& shard) {
    Value value = result;
    value.producer = NodeId(out_.nodes.size());
    const ValueId id = add_value(std::move(value), full, shard);
    out_.nodes.push_back(
        Node{op, std::move(name), std::move(inputs), {id}, std::move(attributes), like.layer});
    return id;
  }

  // The value as every socket needs it whole. The all-gather belongs to the layer that makes the value, so
  // that all layers stay alike.
  ValueId gathered(ValueId old) {
    const ValueId here = *map_[old.value];
    if (out_.value(here).shard.kind == ShardKind::kReplicated) return here;
    if (const auto it = whole_.find(old); it != whole_.end()) return it->second;
    Value value = in_.value(old);
    value.name += ".whole";
    value.role = SymbolRole::kActivation;
    const ValueId id =
        add_node(in_.node(*value.producer), OpKind::kAllGather, value.name, {here},
                 {{"full_cols", value.shape.cols()}, {"sockets", sockets_}}, value, value.shape, kWhole);
    whole_[old] = id;
    return id;
  }

  // Activation or source, replicated.
  Result<ValueId> whole(ValueId old) {
    if (!in_.value(old).producer) return source(old, kWhole);
    return gathered(old);
  }

  void finish(const Node& node, std::vector<ValueId> inputs, const Shard& shard,
              std::vector<Attribute> attributes = {}) {
    const Value& result = in_.value(node.outputs[0]);
    if (attributes.empty()) attributes = node.attributes;
    map_[node.outputs[0].value] = add_node(node, node.op, node.name, std::move(inputs), std::move(attributes),
                                           result, result.shape, shard);
  }

  Status rebuild(const Node& node) {
    if (sockets_ == 1) return copy_replicated(node);
    switch (node.op) {
      case OpKind::kEmbedding:
        return embedding(node);
      case OpKind::kLinear:
        return linear(node);
      case OpKind::kRope:
        return rope(node);
      case OpKind::kAttention:
      case OpKind::kCrossAttention:
        return attention(node);
      case OpKind::kMoeExperts:
        return experts(node);
      default:
        return op_record(node.op).cut_operands.empty() ? copy_replicated(node) : by_columns(node);
    }
  }

  Status copy_replicated(const Node& node) {
    std::vector<ValueId> inputs;
    for (const ValueId input : node.inputs) {
      RDU_ASSIGN(const ValueId id, whole(input));
      inputs.push_back(id);
    }
    finish(node, std::move(inputs), kWhole);
    return {};
  }

  Status embedding(const Node& node) {
    RDU_ASSIGN(const ValueId ids, whole(node.inputs[0]));
    const Shard cols{ShardKind::kCols, sockets_, 1};
    // A tied head wants the same table cut by rows (vocabulary); it is then held in both cuts.
    RDU_ASSIGN(const ValueId table, source(node.inputs[1], cols));
    finish(node, {ids, table}, cols);
    return {};
  }

  Status linear(const Node& node) {
    const ValueId x = node.inputs[0];
    const bool sharded_input = in_.value(x).producer &&
                               out_.value(*map_[x.value]).shard.kind == ShardKind::kCols &&
                               !whole_.contains(x);
    if (sharded_input) return row_parallel(node);
    const auto wanted = wanted_.find(node.outputs[0]);
    const Shard cols = wanted != wanted_.end() ? wanted->second : Shard{ShardKind::kCols, sockets_, 1};
    std::vector<ValueId> inputs;
    RDU_ASSIGN(const ValueId whole_x, whole(x));
    RDU_ASSIGN(const ValueId w, source(node.inputs[1], {ShardKind::kRows, cols.shards, cols.granule}));
    inputs = {whole_x, w};
    if (node.inputs.size() == 3) {
      RDU_ASSIGN(const ValueId bias, source(node.inputs[2], cols));
      inputs.push_back(bias);
    }
    finish(node, std::move(inputs), cols);
    return {};
  }

  Status row_parallel(const Node& node) {
    const ValueId x = *map_[node.inputs[0].value];
    const Shard shard = out_.value(x).shard;
    RDU_ASSIGN(const ValueId w, source(node.inputs[1], shard));
    Value partial = in_.value(node.outputs[0]);
    const Shape full = partial.shape;
    partial.name += ".partial";
    partial.role = SymbolRole::kActivation;
    const ValueId sum =
        add_node(node, OpKind::kLinear, node.name, {x, w}, node.attributes, partial, full, kWhole);
    Value result = in_.value(node.outputs[0]);
    if (node.inputs.size() == 2) {
      map_[node.outputs[0].value] = add_node(node, OpKind::kAllReduce, node.name + ".all_reduce", {sum},
                                             {{"sockets", sockets_}}, result, full, kWhole);
      return {};
    }
    Value unbiased = result;
    unbiased.name += ".unbiased";
    unbiased.role = SymbolRole::kActivation;
    const ValueId reduced = add_node(node, OpKind::kAllReduce, node.name + ".all_reduce", {sum},
                                     {{"sockets", sockets_}}, unbiased, full, kWhole);
    RDU_ASSIGN(const ValueId bias, source(node.inputs[2], kWhole));
    map_[node.outputs[0].value] =
        add_node(node, OpKind::kAdd, node.name + ".bias", {reduced, bias}, {}, result, full, kWhole);
    return {};
  }

  Status experts(const Node& node) {
    RDU_ASSIGN(const ValueId x, whole(node.inputs[0]));
    RDU_ASSIGN(const ValueId gate, whole(node.inputs[1]));
    if (options_.moe_parallel == MoeParallel::kExpert) return whole_experts(node, x, gate);
    // Every expert's inner width is cut: interleaved by expert, that is a cut of rows in whole sets of
    // experts.
    const Shard rows{ShardKind::kRows, sockets_, node.integer("experts")};
    RDU_ASSIGN(const ValueId gate_w, source(node.inputs[2], rows));
    RDU_ASSIGN(const ValueId up_w, source(node.inputs[3], rows));
    RDU_ASSIGN(const ValueId down_w, source(node.inputs[4], {ShardKind::kCols, sockets_, 1}));
    return reduced(node, {x, gate, gate_w, up_w, down_w}, node.attributes);
  }

  // Each group of sockets holds whole experts, and cuts their inner width among its own.
  Status whole_experts(const Node& node, ValueId x, ValueId gate) {
    const int64_t experts = node.integer("experts");
    const int64_t inner = in_.value(node.inputs[2]).shape.rows() / experts;
    RDU_ASSIGN(const int64_t groups, expert_groups(node, inner, options_));
    const Shard rows{ShardKind::kExpertRows, groups, experts};
    RDU_ASSIGN(const ValueId gate_w, source(node.inputs[2], rows));
    RDU_ASSIGN(const ValueId up_w, source(node.inputs[3], rows));
    RDU_ASSIGN(const ValueId down_w, source(node.inputs[4], {ShardKind::kExpertCols, groups, experts}));
    std::vector<Attribute> attributes = node.attributes;
    for (Attribute& a : attributes) {
      if (a.name == "experts") a.value = experts / groups;
    }
    return reduced(node, {x, gate, gate_w, up_w, down_w, first_expert(groups, experts)},
                   std::move(attributes));
  }

  // One tensor for all layers.
  ValueId first_expert(int64_t groups, int64_t experts) {
    const auto [it, fresh] = first_expert_.try_emplace({groups, experts});
    if (!fresh) return it->second;
    Value value = first_expert_numbers(groups, experts, sockets_);
    if (first_expert_.size() > 1) value.name += fmt::format("_of_{}", experts);
    it->second = add_value(std::move(value), Shape{{sockets_, 1}}, {ShardKind::kRows, sockets_, 1});
    return it->second;
  }

  // The node gives each socket a part of the sum; an all-reduce adds the parts.
  Status reduced(const Node& node, std::vector<ValueId> inputs, std::vector<Attribute> attributes) {
    Value partial = in_.value(node.outputs[0]);
    const Shape full = partial.shape;
    partial.name += ".partial";
    partial.role = SymbolRole::kActivation;
    const ValueId sum =
        add_node(node, node.op, node.name, std::move(inputs), std::move(attributes), partial, full, kWhole);
    map_[node.outputs[0].value] = add_node(node, OpKind::kAllReduce, node.name + ".all_reduce", {sum},
                                           {{"sockets", sockets_}}, in_.value(node.outputs[0]), full, kWhole);
    return {};
  }

  // The first operand of what works on columns or heads alone, as it lies; a source as its reader wants it.
  Result<ValueId> as_wanted(const Node& node) {
    const ValueId x = node.inputs[0];
    if (in_.value(x).producer) return *map_[x.value];
    const auto wanted = wanted_.find(node.outputs[0]);
    return source(x, wanted == wanted_.end() ? kWhole : wanted->second);
  }

  Status rope(const Node& node) {
    RDU_ASSIGN(const ValueId x, as_wanted(node));
    RDU_ASSIGN(const ValueId table, source(node.inputs[1], kWhole));
    finish(node, {x, table}, out_.value(x).shard);
    return {};
  }

  Status attention(const Node& node) {
    std::vector<ValueId> inputs;
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      const ValueId input = node.inputs[i];
      const Shard wanted = cut_by_heads(node, i, sockets_);
      if (in_.value(input).producer) {
        const ValueId made = *map_[input.value];
        if (!same_cut(in_.value(input), out_.value(made).shard, wanted)) {
          return Error{ErrorCode::kUnsupported, node.name,
                       fmt::format("{} is not cut by heads over the sockets", in_.value(input).name),
                       "attention takes inputs, or the result of a projection of its own; a packed one runs "
                       "on one socket"};
        }
        inputs.push_back(made);
        continue;
      }
      RDU_ASSIGN(const ValueId cut, source(input, wanted));
      inputs.push_back(cut);
    }
    std::vector<Attribute> attributes = node.attributes;
    for (Attribute& a : attributes) {
      if (a.name == "heads") a.value = node.integer("heads") / sockets_;
      if (a.name == "kv_heads") a.value = std::max<int64_t>(1, node.integer("kv_heads") / sockets_);
    }
    finish(node, std::move(inputs), {ShardKind::kCols, sockets_, node.integer("head_dim")},
           std::move(attributes));
    return {};
  }

  // Operators that work on each column alone (OpRecord::cut_operands) keep the cut of their first operand, if
  // the others have it too or are sources, which can be cut so.
  Status by_columns(const Node& node) {
    const std::string_view cuts = op_record(node.op).cut_operands;
    const std::string_view granule = op_record(node.op).cut_granule;
    RDU_ASSIGN(const ValueId first, as_wanted(node));
    const Shard shard = out_.value(first).shard;
    if (shard.kind != ShardKind::kCols) return copy_replicated(node);
    if (!granule.empty() && shard.granule % node.integer(granule) != 0) return copy_replicated(node);
    std::vector<ValueId> inputs = {first};
    for (size_t i = 1; i < node.inputs.size(); ++i) {
      const Value& value = in_.value(node.inputs[i]);
      const bool cut = cuts[i] == 'c' && value.shape.cols() > 1;
      if (cut && value.producer && out_.value(*map_[node.inputs[i].value]).shard != shard)
        return copy_replicated(node);
      if (cut && value.producer) {
        inputs.push_back(*map_[node.inputs[i].value]);
        continue;
      }
      RDU_ASSIGN(const ValueId id, cut ? source(node.inputs[i], shard) : whole(node.inputs[i]));
      inputs.push_back(id);
    }
    finish(node, std::move(inputs), shard);
    return {};
  }

  const Graph& in_;
  const CompileOptions& options_;
  int64_t sockets_;
  Graph out_;
  std::vector<std::optional<ValueId>> map_;         // old value -> its rebuilt form (maybe sharded)
  std::map<ValueId, std::vector<ValueId>> copies_;  // old source -> its cuts, the first of them in map_
  std::map<ValueId, ValueId> whole_;                // old value -> all-gathered form
  std::map<ValueId, Shard> wanted_;                 // old value -> cut that attention needs
  std::map<std::pair<int64_t, int64_t>, ValueId> first_expert_;  // by groups and experts
};

}  // namespace

Status shard(Compilation& compilation) {
  RDU_CHECK_OK(check_mixture_options(compilation.graph, compilation.options));
  RDU_ASSIGN(compilation.graph, Sharder(compilation.graph, compilation.options).run());
  return {};
}

}  // namespace rdusim::compiler
