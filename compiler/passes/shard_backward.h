// The cut of a training step: what the shard pass does with a loss and with gradients. All follows from how
// the forward pass cut the same tensors:
//
//   dx = dy W     W cut by rows: dy is cut by the same columns, and each socket has a part of the sum; sums
//   of
//                 such parts are added before sockets exchange them. W cut by columns: dx is cut like W
//   dW = dy^T x   cut like W; so are the optimiser's states and the new weight, and no gradient is exchanged
//   attention     by heads, its three gradients side by side on each socket
//   swiglu        by columns, its two gradients side by side
//   loss          logits stay cut over the vocabulary: sockets exchange two numbers a row, the logarithm of
//                 the sum of exponentials of their own columns, and the target's logit
//
// As in Shoeybi et al., Megatron-LM, arXiv 1909.08053, section 3.
#pragma once

#include <map>
#include <vector>

#include "base/result.h"
#include "compiler/passes/cut_graph.h"

namespace rdusim::compiler {

class BackwardSharder {
 public:
  // Keeps a reference.
  explicit BackwardSharder(CutGraph& cut) : cut_(cut) {}

  // Whether the node has a rule here.
  [[nodiscard]] bool cuts(const Node& node) const;
  // kUnsupported: heads or columns that do not divide over the sockets.
  Status cut(const Node& node);

 private:
  // Gradients side by side: on each socket its own part of every one of them.
  struct Packed {
    std::vector<int64_t> cols;  // of each, in whole
    int64_t granule = 1;
  };
  [[nodiscard]] bool reads_packed(const Node& node) const;
  Result<std::vector<ValueId>> all_cut(const Node& node, const Shard& shard);
  Status linear_back(const Node& node);
  Status linear_grad(const Node& node);
  Status attention_back(const Node& node);
  Status swiglu_back(const Node& node);
  Status pack(const Node& node, std::vector<ValueId> inputs, Packed packed,
              std::vector<Attribute> attributes);
  Status unpack(const Node& node);
  Status cross_entropy(const Node& node);
  Status cross_entropy_back(const Node& node);
  Status optimise(const Node& node);
  ValueId log_sum(const Node& like, ValueId logits, const Value& column);
  ValueId first_column(int64_t cols);

  CutGraph& cut_;
  std::map<ValueId, Packed> packed_;
  std::map<ValueId, ValueId> log_sums_;       // by logits: of all columns, on every socket
  std::map<int64_t, ValueId> first_columns_;  // by columns in whole
};

}  // namespace rdusim::compiler
