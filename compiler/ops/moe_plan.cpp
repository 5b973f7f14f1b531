// See moe_plan.h.
#include "compiler/ops/moe_plan.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>
#include <vector>

#include "base/program/tile_dispatch.h"
#include "base/random.h"
#include "compiler/ops/operands.h"

namespace rdusim::compiler {
namespace {

// Rows of a block at most. A block streams its expert's weights once; up to about 350 rows (the SN40L's peak
// over what its HBM achieves, FLOPs a BF16 weight) the stream binds and fewer, larger blocks win; above,
// empty places do harm.
constexpr int64_t kBlockRows = 256;
// Rows that are dispatched together at most: their inputs and results wait on chip.
constexpr int64_t kGroupRows = 4096;
// ... and so many bytes of them, in FP32: three eighths of an SN40L's PMUs, so that weights, blocks and the
// rest of a layer have room too.
constexpr int64_t kGroupBytes = int64_t{192} << 20;
// Choices that are drawn in all, and draws at least and at most: the mean of 4096 draws of a few blocks is
// known to a hundredth, and many rows differ little from draw to draw.
constexpr int64_t kChoices = int64_t{1} << 16;
constexpr int64_t kFewestDraws = 16;
constexpr int64_t kMostDraws = 4096;
constexpr uint64_t kSeed = 1;

}  // namespace

MoeSizes::MoeSizes(const Graph& graph, const Node& node)
    : experts(node.integer("experts")),
      all_experts(experts),
      k(node.integer("k")),
      width(operand(graph, node, kRows).shape.cols()),
      inner(operand(graph, node, kGateWeight).shape.rows() / node.integer("experts")) {
  const Shard& cut = operand(graph, node, kGateWeight).shard;
  if (cut.kind == ShardKind::kExpertRows) all_experts = cut.granule;
}

MoePlan::MoePlan(const Flow& flow, const MoeSizes& sizes, int64_t query_tokens, MoeLoad load) {
  // A block that is cut short at the end of its sequence may only be the last of a group.
  const int64_t divided = query_tokens % flow.rows == 0 ? flow.tokens() : flow.blocks;
  const int64_t row_bytes = (sizes.most_choices() + 1) * sizes.width * dtype_bytes(DType::kFp32);
  const int64_t most_rows = std::max(std::min(kGroupRows, kGroupBytes / row_bytes), flow.rows);
  for (int64_t n = 1; n <= divided && n * flow.rows <= most_rows; ++n) {
    if (divided % n == 0) tokens_a_group = n;
  }
  groups = flow.tokens() / tokens_a_group;
  const int64_t rows = tokens_a_group * flow.rows;
  const int64_t pairs = rows * sizes.most_choices();
  block_rows = std::min(rows, kBlockRows);  // a row chooses an expert once
  blocks = load == MoeLoad::kWorst ? std::min(dispatch_blocks(pairs, sizes.experts, block_rows),
                                              sizes.experts * ceil_div(rows, block_rows))
                                   : uniform_blocks(rows, sizes.k, sizes.all_experts,
                                                    sizes.all_experts / sizes.experts, block_rows);
}

int64_t uniform_blocks(int64_t rows, int64_t k, int64_t experts, int64_t parts, int64_t block_rows) {
  const auto choices = static_cast<size_t>(std::min(k, experts));
  const int64_t draws = std::clamp(kChoices / (rows * k), kFewestDraws, kMostDraws);
  std::vector<int64_t> order(static_cast<size_t>(experts));
  std::iota(order.begin(), order.end(), 0);
  Random random(kSeed);
  int64_t sum = 0;
  for (int64_t draw = 0; draw < draws; ++draw) {
    std::vector<int64_t> rows_of(order.size(), 0);
    for (int64_t row = 0; row < rows; ++row) {
      for (size_t j = 0; j < choices; ++j) {
        std::swap(order[j], order[j + random.below(order.size() - j)]);
        ++rows_of[static_cast<size_t>(order[j])];
      }
    }
    int64_t most = 0;
    for (int64_t part = 0, here = experts / parts; part < parts; ++part) {
      int64_t blocks = 0;
      for (int64_t e = part * here; e < (part + 1) * here; ++e)
        blocks += ceil_div(rows_of[static_cast<size_t>(e)], block_rows);
      most = std::max(most, blocks);
    }
    sum += most;
  }
  return std::max<int64_t>(1, std::llround(static_cast<double>(sum) / static_cast<double>(draws)));
}

}  // namespace rdusim::compiler
