#include "compiler/passes/piece_bounds.h"

#include <algorithm>
#include <set>

#include "compiler/ops/attention.h"
#include "compiler/ops/op.h"

namespace rdusim::compiler {
namespace {

int64_t bytes_of(const Value& value) {
  return value.shape.elements() * dtype_bytes(value.dtype);
}

// Multiply-accumulates of the products that every lowering does.
int64_t products(const Graph& graph, const Node& node) {
  if (node.op == OpKind::kLinear || node.op == OpKind::kBlockLinear)
    return graph.value(node.inputs[0]).shape.rows() * graph.value(node.inputs[1]).shape.elements();
  if (node.op == OpKind::kAttention) return op_record(node.op).cost(graph, node).flops / 2;
  return 0;
}

// Cached rows before the queries' own that attention reads; each cache once.
int64_t cached_bytes(const Graph& graph, const Node& node) {
  if (node.op != OpKind::kAttention) return 0;
  const AttentionShape shape(node);
  const int64_t visible =
      shape.window > 0 ? std::min(shape.past_tokens, shape.window - 1) : shape.past_tokens;
  int64_t bytes = 0;
  for (const ValueId id : node.inputs) {
    const Value& cache = graph.value(id);
    if (cache.role != SymbolRole::kKvCache) continue;
    bytes += graph.batch * std::min(visible, shape.capacity) * cache.shape.cols() * dtype_bytes(cache.dtype);
  }
  return bytes;
}

// Some operators pick rows of what they read.
bool reads_all_of(const Graph& graph, const Node& node, const Value& value) {
  return graph.value(node.outputs[0]).shape.rows() >= value.shape.rows();
}

// A piece that grows by one operator after the other.
class GrowingPiece {
 public:
  GrowingPiece(const Graph& graph, const std::vector<std::optional<size_t>>& last, MoeLoad moe_load)
      : graph_(graph), last_(last), moe_load_(moe_load) {}

  void add(NodeId id) {
    const Node& node = graph_.node(id);
    macs_ += products(graph_, node);
    bytes_ += weight_bytes(node) + cached_bytes(graph_, node);
    for (const ValueId input : node.inputs) {
      const Value& value = graph_.value(input);
      if (!value.producer || made_.contains(input) || !reads_all_of(graph_, node, value)) continue;
      if (loaded_.insert(input).second) bytes_ += bytes_of(value);
    }
    made_.insert(node.outputs.begin(), node.outputs.end());
    end_ = id.value + 1;
  }

  [[nodiscard]] int64_t macs() const { return macs_; }
  // With the results that leave it.
  [[nodiscard]] int64_t bytes() const {
    int64_t bytes = bytes_;
    for (const ValueId id : made_) {
      const Value& value = graph_.value(id);
      const bool read_behind = last_[id.value] && *last_[id.value] >= end_;
      if (value.role == SymbolRole::kOutput || read_behind) bytes += bytes_of(value);
    }
    return bytes;
  }

 private:
  // Uniform choices of experts may hit fewer of them than the operator counts. What an operator before has
  // loaded may be there for this one.
  int64_t weight_bytes(const Node& node) {
    if (node.op == OpKind::kMoeExperts && moe_load_ != MoeLoad::kWorst) return 0;
    bool fresh = false;
    bool known = false;
    for (const ValueId input : node.inputs) {
      if (graph_.value(input).role != SymbolRole::kWeight) continue;
      (weights_.insert(input).second ? fresh : known) = true;
    }
    return fresh && !known ? op_record(node.op).cost(graph_, node).weight_bytes : 0;
  }

  const Graph& graph_;
  const std::vector<std::optional<size_t>>& last_;
  MoeLoad moe_load_;
  int64_t macs_ = 0;
  int64_t bytes_ = 0;  // loaded
  size_t end_ = 0;
  std::set<ValueId> loaded_;
  std::set<ValueId> made_;
  std::set<ValueId> weights_;
};

}  // namespace

PieceBounds::PieceBounds(const Graph& graph, const std::vector<NodeId>& nodes,
                         const std::vector<std::optional<size_t>>& last, const ChipSpec& chip,
                         MoeLoad moe_load)
    : count_(nodes.size()), cycles_((count_ + 1) * (count_ + 1), 0) {
  const double bytes_a_cycle = chip.hbm.achieved_bytes_per_s() / chip.clock_hz;
  const int64_t macs_a_cycle = chip.pcu.count * chip.pcu.lanes * chip.pcu.stages;
  for (size_t begin = 0; begin < count_; ++begin) {
    GrowingPiece piece(graph, last, moe_load);
    for (size_t end = begin + 1; end <= count_; ++end) {
      piece.add(nodes[end - 1]);
      const auto memory = static_cast<int64_t>(static_cast<double>(piece.bytes()) / bytes_a_cycle);
      cycles_[begin * (count_ + 1) + end] = std::max(memory, piece.macs() / macs_a_cycle);
    }
  }
}

}  // namespace rdusim::compiler
