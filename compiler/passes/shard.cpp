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
#include "compiler/passes/cut_graph.h"
#include "compiler/passes/pass.h"
#include "compiler/passes/shard_backward.h"
#include "compiler/passes/shard_experts.h"
#include "compiler/passes/shard_heads.h"

namespace rdusim::compiler {
namespace {

class Sharder {
 public:
  Sharder(const Graph& in, const CompileOptions& options)
      : in_(in), options_(options), sockets_(options.sockets), cut_(in, options.sockets), backward_(cut_) {}

  Result<Graph> run() {
    RDU_CHECK_OK(mark_head_granules());
    for (const Node& node : in_.nodes) RDU_CHECK_OK(rebuild(node));
    return cut_.take();
  }

 private:
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

  Status rebuild(const Node& node) {
    if (sockets_ == 1) return cut_.copy_replicated(node);
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
        if (backward_.cuts(node)) return backward_.cut(node);
        return op_record(node.op).cut_operands.empty() ? cut_.copy_replicated(node) : by_columns(node);
    }
  }

  Status embedding(const Node& node) {
    RDU_ASSIGN(const ValueId ids, cut_.whole(node.inputs[0]));
    const Shard cols{ShardKind::kCols, sockets_, 1};
    // A tied head wants the same table cut by rows (vocabulary); it is then held in both cuts.
    RDU_ASSIGN(const ValueId table, cut_.source(node.inputs[1], cols));
    cut_.finish(node, {ids, table}, cols);
    return {};
  }

  Status linear(const Node& node) {
    const ValueId x = node.inputs[0];
    const bool sharded_input = in_.value(x).producer &&
                               cut_.value(cut_.here(x)).shard.kind == ShardKind::kCols &&
                               !cut_.is_gathered(x);
    if (sharded_input) return row_parallel(node);
    const auto wanted = wanted_.find(node.outputs[0]);
    const Shard cols = wanted != wanted_.end() ? wanted->second : Shard{ShardKind::kCols, sockets_, 1};
    std::vector<ValueId> inputs;
    RDU_ASSIGN(const ValueId whole_x, cut_.whole(x));
    RDU_ASSIGN(const ValueId w, cut_.source(node.inputs[1], {ShardKind::kRows, cols.shards, cols.granule}));
    inputs = {whole_x, w};
    if (node.inputs.size() == 3) {
      RDU_ASSIGN(const ValueId bias, cut_.source(node.inputs[2], cols));
      inputs.push_back(bias);
    }
    cut_.finish(node, std::move(inputs), cols);
    return {};
  }

  Status row_parallel(const Node& node) {
    const ValueId x = cut_.here(node.inputs[0]);
    const Shard shard = cut_.value(x).shard;
    RDU_ASSIGN(const ValueId w, cut_.source(node.inputs[1], shard));
    if (node.inputs.size() == 2) {
      cut_.reduce(node, {x, w}, node.attributes);
      return {};
    }
    Value partial = in_.value(node.outputs[0]);
    const Shape full = partial.shape;
    partial.name += ".partial";
    partial.role = SymbolRole::kActivation;
    const ValueId sum =
        cut_.add_node(node, OpKind::kLinear, node.name, {x, w}, node.attributes, partial, full, kWhole);
    Value result = in_.value(node.outputs[0]);
    Value unbiased = result;
    unbiased.name += ".unbiased";
    unbiased.role = SymbolRole::kActivation;
    const ValueId reduced = cut_.add_node(node, OpKind::kAllReduce, node.name + ".all_reduce", {sum},
                                          {{"sockets", sockets_}}, unbiased, full, kWhole);
    RDU_ASSIGN(const ValueId bias, cut_.source(node.inputs[2], kWhole));
    cut_.set(node.outputs[0], cut_.add_node(node, OpKind::kAdd, node.name + ".bias", {reduced, bias}, {},
                                            result, full, kWhole));
    return {};
  }

  Status experts(const Node& node) {
    RDU_ASSIGN(const ValueId x, cut_.whole(node.inputs[0]));
    RDU_ASSIGN(const ValueId gate, cut_.whole(node.inputs[1]));
    if (options_.moe_parallel == MoeParallel::kExpert) return whole_experts(node, x, gate);
    // Every expert's inner width is cut: interleaved by expert, that is a cut of rows in whole sets of
    // experts.
    const Shard rows{ShardKind::kRows, sockets_, node.integer("experts")};
    RDU_ASSIGN(const ValueId gate_w, cut_.source(node.inputs[2], rows));
    RDU_ASSIGN(const ValueId up_w, cut_.source(node.inputs[3], rows));
    RDU_ASSIGN(const ValueId down_w, cut_.source(node.inputs[4], {ShardKind::kCols, sockets_, 1}));
    cut_.reduce(node, {x, gate, gate_w, up_w, down_w}, node.attributes);
    return {};
  }

  // Each group of sockets holds whole experts, and cuts their inner width among its own.
  Status whole_experts(const Node& node, ValueId x, ValueId gate) {
    const int64_t experts = node.integer("experts");
    const int64_t inner = in_.value(node.inputs[2]).shape.rows() / experts;
    RDU_ASSIGN(const int64_t groups, expert_groups(node, inner, options_));
    const Shard rows{ShardKind::kExpertRows, groups, experts};
    RDU_ASSIGN(const ValueId gate_w, cut_.source(node.inputs[2], rows));
    RDU_ASSIGN(const ValueId up_w, cut_.source(node.inputs[3], rows));
    RDU_ASSIGN(const ValueId down_w, cut_.source(node.inputs[4], {ShardKind::kExpertCols, groups, experts}));
    std::vector<Attribute> attributes = node.attributes;
    for (Attribute& a : attributes) {
      if (a.name == "experts") a.value = experts / groups;
    }
    cut_.reduce(node, {x, gate, gate_w, up_w, down_w, first_expert(groups, experts)}, std::move(attributes));
    return {};
  }

  // One tensor for all layers.
  ValueId first_expert(int64_t groups, int64_t experts) {
    const auto [it, fresh] = first_expert_.try_emplace({groups, experts});
    if (!fresh) return it->second;
    Value value = first_expert_numbers(groups, experts, sockets_);
    if (first_expert_.size() > 1) value.name += fmt::format("_of_{}", experts);
    it->second = cut_.add_value(std::move(value), Shape{{sockets_, 1}}, {ShardKind::kRows, sockets_, 1});
    return it->second;
  }

  // The first operand of what works on columns or heads alone, as it lies; a source as its reader wants it.
  Result<ValueId> as_wanted(const Node& node) {
    const ValueId x = node.inputs[0];
    if (in_.value(x).producer) return cut_.here(x);
    const auto wanted = wanted_.find(node.outputs[0]);
    return cut_.source(x, wanted == wanted_.end() ? kWhole : wanted->second);
  }

  Status rope(const Node& node) {
    RDU_ASSIGN(const ValueId x, as_wanted(node));
    RDU_ASSIGN(const ValueId table, cut_.source(node.inputs[1], kWhole));
    cut_.finish(node, {x, table}, cut_.value(x).shard);
    return {};
  }

  Status attention(const Node& node) {
    std::vector<ValueId> inputs;
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      const ValueId input = node.inputs[i];
      const Shard wanted = cut_by_heads(node, i, sockets_);
      if (in_.value(input).producer) {
        const ValueId made = cut_.here(input);
        if (!cut_.same_cut(in_.value(input), cut_.value(made).shard, wanted)) {
          return Error{ErrorCode::kUnsupported, node.name,
                       fmt::format("{} is not cut by heads over the sockets", in_.value(input).name),
                       "attention takes inputs, or the result of a projection of its own; a packed one runs "
                       "on one socket"};
        }
        inputs.push_back(made);
        continue;
      }
      RDU_ASSIGN(const ValueId cut, cut_.source(input, wanted));
      inputs.push_back(cut);
    }
    std::vector<Attribute> attributes = node.attributes;
    for (Attribute& a : attributes) {
      if (a.name == "heads") a.value = node.integer("heads") / sockets_;
      if (a.name == "kv_heads") a.value = std::max<int64_t>(1, node.integer("kv_heads") / sockets_);
    }
    cut_.finish(node, std::move(inputs), {ShardKind::kCols, sockets_, node.integer("head_dim")},
                std::move(attributes));
    return {};
  }

  // Operators that work on each column alone (OpRecord::cut_operands) keep the cut of their first operand, if
  // the others have it too or are sources, which can be cut so.
  Status by_columns(const Node& node) {
    const std::string_view cuts = op_record(node.op).cut_operands;
    const std::string_view granule = op_record(node.op).cut_granule;
    RDU_ASSIGN(const ValueId first, as_wanted(node));
    const Shard shard = cut_.value(first).shard;
    if (shard.kind != ShardKind::kCols) return cut_.copy_replicated(node);
    if (!granule.empty() && shard.granule % node.integer(granule) != 0) return cut_.copy_replicated(node);
    std::vector<ValueId> inputs = {first};
    for (size_t i = 1; i < node.inputs.size(); ++i) {
      const Value& value = in_.value(node.inputs[i]);
      const bool cut = cuts[i] == 'c' && value.shape.cols() > 1;
      if (cut && value.producer && cut_.value(cut_.here(node.inputs[i])).shard != shard)
        return cut_.copy_replicated(node);
      if (cut && value.producer) {
        inputs.push_back(cut_.here(node.inputs[i]));
        continue;
      }
      RDU_ASSIGN(const ValueId id, cut ? cut_.source(node.inputs[i], shard) : cut_.whole(node.inputs[i]));
      inputs.push_back(id);
    }
    cut_.finish(node, std::move(inputs), shard);
    return {};
  }

  const Graph& in_;
  const CompileOptions& options_;
  int64_t sockets_;
  CutGraph cut_;
  BackwardSharder backward_;
  std::map<ValueId, Shard> wanted_;                              // old value -> cut that attention needs
  std::map<std::pair<int64_t, int64_t>, ValueId> first_expert_;  // by groups and experts
};

}  // namespace

Status shard(Compilation& compilation) {
  RDU_CHECK_OK(check_mixture_options(compilation.graph, compilation.options));
  RDU_ASSIGN(compilation.graph, Sharder(compilation.graph, compilation.options).run());
  return {};
}

}  // namespace rdusim::compiler
