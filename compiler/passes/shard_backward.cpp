#include "compiler/passes/shard_backward.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace rdusim::compiler {

namespace {

Error refused(const Node& node, std::string what, std::string hint) {
  return Error{ErrorCode::kUnsupported, node.name, std::move(what), std::move(hint)};
}

Error unlike(const Node& node, const Value& operand) {
  return refused(node, fmt::format("{} is not cut over the sockets as the forward pass is", operand.name),
                 "run the training step on one socket");
}

}  // namespace

bool BackwardSharder::cuts(const Node& node) const {
  const auto known = [&](size_t operands) {
    return std::all_of(node.inputs.begin(), node.inputs.begin() + static_cast<std::ptrdiff_t>(operands),
                       [&](ValueId input) { return cut_.is_known(input); });
  };
  if (reads_packed(node)) return true;
  switch (node.op) {
    case OpKind::kLinearBack:
    case OpKind::kLinearGrad:
      return known(2);
    case OpKind::kAttentionBack:
    case OpKind::kSwiGluBack:
    case OpKind::kCrossEntropy:
    case OpKind::kCrossEntropyBack:
    case OpKind::kAdamW:
      return known(1) && cut_.shard_of(node.inputs[0]).kind != ShardKind::kReplicated;
    case OpKind::kAdd:
      return cut_.is_pending(node.inputs[0]) && cut_.is_pending(node.inputs[1]);
    default:
      return false;
  }
}

Status BackwardSharder::cut(const Node& node) {
  if (reads_packed(node)) return unpack(node);
  switch (node.op) {
    case OpKind::kLinearBack:
      return linear_back(node);
    case OpKind::kLinearGrad:
      return linear_grad(node);
    case OpKind::kAttentionBack:
      return attention_back(node);
    case OpKind::kSwiGluBack:
      return swiglu_back(node);
    case OpKind::kCrossEntropy:
      return cross_entropy(node);
    case OpKind::kCrossEntropyBack:
      return cross_entropy_back(node);
    case OpKind::kAdamW:
      return optimise(node);
    default:
      cut_.leave_pending(node, {cut_.part(node.inputs[0]), cut_.part(node.inputs[1])});
      return {};
  }
}

bool BackwardSharder::reads_packed(const Node& node) const {
  return std::any_of(node.inputs.begin(), node.inputs.end(),
                     [&](ValueId input) { return packed_.contains(input); });
}

// The operands, each of which must be known and cut so.
Result<std::vector<ValueId>> BackwardSharder::all_cut(const Node& node, const Shard& shard) {
  std::vector<ValueId> inputs;
  for (const ValueId input : node.inputs) {
    const Value& value = cut_.in().value(input);
    if (!cut_.is_known(input) || !cut_.same_cut(value, cut_.shard_of(input), shard))
      return unlike(node, value);
    inputs.push_back(cut_.here(input));
  }
  return inputs;
}

Status BackwardSharder::linear_back(const Node& node) {
  const Value& dy = cut_.in().value(node.inputs[0]);
  const ValueId w = cut_.here(node.inputs[1]);
  const Shard of_w = cut_.value(w).shard;
  if (of_w.kind == ShardKind::kReplicated) return cut_.copy_replicated(node);
  if (of_w.kind == ShardKind::kCols) {
    RDU_ASSIGN(const ValueId whole, cut_.whole(node.inputs[0]));
    cut_.finish(node, {whole, w}, of_w);
    return {};
  }
  const Shard as_w{ShardKind::kCols, of_w.shards, of_w.granule};
  if (!cut_.same_cut(dy, cut_.shard_of(node.inputs[0]), as_w)) return unlike(node, dy);
  cut_.leave_pending(node, {cut_.here(node.inputs[0]), w});
  return {};
}

Status BackwardSharder::linear_grad(const Node& node) {
  const Shard of_dy = cut_.shard_of(node.inputs[0]);
  const Shard of_x = cut_.shard_of(node.inputs[1]);
  if (of_dy.kind == ShardKind::kCols) {
    RDU_ASSIGN(const ValueId x, cut_.whole(node.inputs[1]));
    cut_.finish(node, {cut_.here(node.inputs[0]), x}, {ShardKind::kRows, of_dy.shards, of_dy.granule});
    return {};
  }
  if (of_x.kind != ShardKind::kCols) return cut_.copy_replicated(node);
  cut_.finish(node, {cut_.here(node.inputs[0]), cut_.here(node.inputs[1])}, of_x);
  return {};
}

// A part of a sum counts as a value of its own on each socket: so do several results side by side.
Status BackwardSharder::pack(const Node& node, std::vector<ValueId> inputs, Packed packed,
                             std::vector<Attribute> attributes) {
  for (const int64_t cols : packed.cols) {
    if (cols % (cut_.sockets() * packed.granule) == 0) continue;
    return refused(node,
                   fmt::format("{} columns of a gradient, {} together, do not divide over {} sockets", cols,
                               packed.granule, cut_.sockets()),
                   "choose a number of sockets that divides them");
  }
  const Value& result = cut_.in().value(node.outputs[0]);
  if (result.role == SymbolRole::kOutput) return unlike(node, result);
  Shape own = result.shape;
  own.dims.back() /= cut_.sockets();
  cut_.set(node.outputs[0], cut_.add_node(node, node.op, node.name, std::move(inputs), std::move(attributes),
                                          result, own, kWhole));
  packed_[node.outputs[0]] = std::move(packed);
  return {};
}

Status BackwardSharder::unpack(const Node& node) {
  const auto it = packed_.find(node.inputs[0]);
  if (node.op != OpKind::kSliceCols || it == packed_.end())
    return unlike(node, cut_.in().value(node.inputs[0]));
  const Packed& packed = it->second;
  int64_t begin = 0;
  for (const int64_t cols : packed.cols) {
    if (node.integer("begin") == begin && node.integer("count") == cols) {
      cut_.finish(node, {cut_.here(node.inputs[0])}, cut_.columns(packed.granule),
                  {{"begin", begin / cut_.sockets()}, {"count", cols / cut_.sockets()}});
      return {};
    }
    begin += cols;
  }
  return unlike(node, cut_.in().value(node.outputs[0]));
}

Status BackwardSharder::attention_back(const Node& node) {
  const int64_t head_dim = node.integer("head_dim");
  const int64_t heads = node.integer("heads");
  const int64_t kv_heads = node.integer("kv_heads");
  const int64_t sockets = cut_.sockets();
  if (kv_heads % sockets != 0) {
    return refused(node, fmt::format("{} key/value heads do not divide over {} sockets", kv_heads, sockets),
                   "choose a number of sockets that divides them: gradients of shared heads are not summed");
  }
  RDU_ASSIGN(std::vector<ValueId> inputs, all_cut(node, cut_.columns(head_dim)));
  std::vector<Attribute> attributes = node.attributes;
  for (Attribute& a : attributes) {
    if (a.name == "heads") a.value = heads / sockets;
    if (a.name == "kv_heads") a.value = kv_heads / sockets;
  }
  return pack(node, std::move(inputs),
              {{heads * head_dim, kv_heads * head_dim, kv_heads * head_dim}, head_dim},
              std::move(attributes));
}

Status BackwardSharder::swiglu_back(const Node& node) {
  const Shard shard = cut_.shard_of(node.inputs[0]);
  RDU_ASSIGN(std::vector<ValueId> inputs, all_cut(node, shard));
  const int64_t cols = cut_.in().value(node.inputs[0]).shape.cols();
  return pack(node, std::move(inputs), {{cols, cols}, shard.granule}, node.attributes);
}

// The constant [sockets, 1] whose row s is the number of the first column that socket s holds.
ValueId BackwardSharder::first_column(int64_t cols) {
  const auto [it, fresh] = first_columns_.try_emplace(cols);
  if (!fresh) return it->second;
  const int64_t sockets = cut_.sockets();
  std::vector<int64_t> first;
  for (int64_t s = 0; s < sockets; ++s) first.push_back(shard_range(cut_.columns(), cols, s, sockets).begin);
  Value value;
  value.name = fmt::format("first_of_{}", cols);
  value.dtype = DType::kFp32;
  value.role = SymbolRole::kConstant;
  value.source = fmt::format("column?values={}", fmt::join(first, ","));  // models/derived.h: column_source
  it->second = cut_.add_value(std::move(value), Shape{{sockets, 1}}, {ShardKind::kRows, sockets, 1});
  return it->second;
}

// Each socket's own columns, then of what all sockets give.
ValueId BackwardSharder::log_sum(const Node& like, ValueId logits, const Value& column) {
  if (const auto it = log_sums_.find(logits); it != log_sums_.end()) return it->second;
  const int64_t sockets = cut_.sockets();
  const Shape own = column.shape;
  const Shape all{{own.rows(), sockets}};
  const std::string& name = cut_.in().value(logits).name;
  const auto node = [&](OpKind op, const char* suffix, ValueId input, std::vector<Attribute> attributes,
                        const Shape& full, const Shard& shard) {
    Value value = column;
    value.name = name + suffix;
    value.role = SymbolRole::kActivation;
    return cut_.add_node(like, op, value.name, {input}, std::move(attributes), value, full, shard);
  };
  const ValueId part = node(OpKind::kLogSumExp, ".log_sum.part", cut_.here(logits), {}, all, cut_.columns());
  const ValueId parts = node(OpKind::kAllGather, ".log_sum.parts", part,
                             {{"full_cols", sockets}, {"sockets", sockets}}, all, kWhole);
  return log_sums_[logits] = node(OpKind::kLogSumExp, ".log_sum", parts, {}, own, kWhole);
}

Status BackwardSharder::cross_entropy(const Node& node) {
  const ValueId logits = node.inputs[0];
  const Value& loss = cut_.in().value(node.outputs[0]);
  const int64_t cols = cut_.in().value(logits).shape.cols();
  RDU_ASSIGN(const ValueId targets, cut_.whole(node.inputs[1]));
  const ValueId log_sum_of = log_sum(node, logits, loss);
  const auto column = [&](OpKind op, const char* suffix, std::vector<ValueId> inputs,
                          std::vector<Attribute> attributes) {
    Value value = loss;
    value.name += suffix;
    value.role = SymbolRole::kActivation;
    return cut_.add_node(node, op, value.name, std::move(inputs), std::move(attributes), value, loss.shape,
                         kWhole);
  };
  const ValueId part =
      column(OpKind::kTargetLogit, ".target.part", {cut_.here(logits), targets, first_column(cols)}, {});
  const ValueId target = column(OpKind::kAllReduce, ".target", {part}, {{"sockets", cut_.sockets()}});
  cut_.set(node.outputs[0],
           cut_.add_node(node, OpKind::kSub, node.name, {log_sum_of, target}, {}, loss, loss.shape, kWhole));
  return {};
}

Status BackwardSharder::cross_entropy_back(const Node& node) {
  const ValueId logits = node.inputs[0];
  const Value& of_logits = cut_.in().value(logits);
  Value column = of_logits;
  column.shape = Shape{{of_logits.shape.rows(), 1}};
  column.dtype = DType::kFp32;
  RDU_ASSIGN(const ValueId targets, cut_.whole(node.inputs[1]));
  cut_.finish(
      node, {cut_.here(logits), targets, log_sum(node, logits, column), first_column(of_logits.shape.cols())},
      cut_.shard_of(logits));
  return {};
}

// States lie as the gradient does.
Status BackwardSharder::optimise(const Node& node) {
  const Shard shard = cut_.shard_of(node.inputs[0]);
  std::vector<ValueId> inputs = {cut_.here(node.inputs[0])};
  for (size_t i = 1; i < node.inputs.size(); ++i) {
    RDU_ASSIGN(const ValueId state, cut_.source(node.inputs[i], shard));
    inputs.push_back(state);
  }
  cut_.finish(node, std::move(inputs), shard);
  return {};
}

}  // namespace rdusim::compiler
