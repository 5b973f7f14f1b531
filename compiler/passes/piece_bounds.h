// What a run of operators takes at least as a section, whatever its tiles, placement and ways: so a cut that
// cannot be worth it is seen before anything is built.
//
// The memory serves one stream after the other, so a launch is no shorter than its bytes at the rate that
// HBM achieves: weights once, cached keys and values once, what its borders cut once. No stage does more
// multiply-accumulates a cycle than its PCUs' arrays, and the stages share the chip's PCUs, so it is no
// shorter than all its products on the whole chip. The longer of the two bounds any section, and their sum
// over the pieces, with a launch each, any cut. Each operator's counts come from the graph, not from a
// lowering, which might repeat streams and fill up tiles.
// Left out, so the bound is lower than it need be: how the pipeline fills, vector operators, products of
// mixtures of experts, constants, states.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/arch/chip.h"
#include "compiler/compile.h"
#include "compiler/graph/graph.h"

namespace rdusim::compiler {

class PieceBounds {
 public:
  // Of the pieces of consecutive `nodes`. `last`: for each value, the last node that reads it.
  PieceBounds(const Graph& graph, const std::vector<NodeId>& nodes,
              const std::vector<std::optional<size_t>>& last, const ChipSpec& chip, MoeLoad moe_load);

  // Cycles of a launch of nodes [begin, end) of them, without starting it.
  [[nodiscard]] int64_t cycles(size_t begin, size_t end) const { return cycles_[begin * (count_ + 1) + end]; }

 private:
  size_t count_;
  std::vector<int64_t> cycles_;  // by begin, end
};

}  // namespace rdusim::compiler
