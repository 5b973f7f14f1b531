// How a mixture's rows are dispatched: sizes of what one socket works on, and how many blocks it has room
// for.
#pragma once

#include <cstdint>

#include "compiler/compile.h"
#include "compiler/graph/graph.h"
#include "compiler/passes/lowering.h"

namespace rdusim::compiler {

// Operands of moe_experts. kFirstExpert may be missing.
inline constexpr size_t kRows = 0, kGate = 1, kGateWeight = 2, kUpWeight = 3, kDownWeight = 4,
                        kFirstExpert = 5;

struct MoeSizes {
  int64_t experts;      // whose weights are in the operands
  int64_t all_experts;  // that a row chooses among
  int64_t k;
  int64_t width;
  int64_t inner;
  MoeSizes(const Graph& graph, const Node& node);
  // Choices of a row that can fall on these experts, which differ.
  [[nodiscard]] int64_t most_choices() const { return k < experts ? k : experts; }
};

// Rows that are dispatched together, and the blocks of one expert each that they go into.
struct MoePlan {
  int64_t tokens_a_group = 1;
  int64_t groups = 1;
  int64_t blocks = 1;  // of a group
  int64_t block_rows = 1;
  MoePlan(const Flow& flow, const MoeSizes& sizes, int64_t query_tokens, MoeLoad load);
};

// Each of `rows` rows draws k different ones of `experts` experts, all alike; `parts` sockets hold equally
// many each, and give every expert with rows blocks of `block_rows` places. The blocks on the socket that
// needs most: the mean over draws with a fixed seed, to the nearest whole number, at least one.
int64_t uniform_blocks(int64_t rows, int64_t k, int64_t experts, int64_t parts, int64_t block_rows);

}  // namespace rdusim::compiler
