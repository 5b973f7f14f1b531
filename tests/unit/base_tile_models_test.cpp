// Tile operations of mixtures of experts and state-space models: dispatch, gather, taps, scan, and composed
// maps.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/program/tile.h"
#include "base/program/tile_dispatch.h"
#include "base/random.h"

namespace rdusim {
namespace {

using ::testing::ElementsAre;

Tile tile(int64_t rows, int64_t cols, std::vector<float> values) {
  return Tile{{rows, cols, 0, 0}, std::make_shared<const std::vector<float>>(std::move(values))};
}

Tile run(TileOpKind kind, const std::vector<Tile>& x, int64_t int0 = 0, int64_t int1 = 0) {
  TileOp op;
  op.kind = kind;
  op.ints = {int0, int1};
  std::array<Extent, 3> extents{};
  std::array<const Tile*, 3> operands{};
  for (size_t i = 0; i < x.size(); ++i) {
    extents[i] = x[i].extent;
    operands[i] = &x[i];
  }
  const auto extent = tile_op_extent(op, extents, 0);
  EXPECT_TRUE(extent.ok()) << extent.error().to_string();
  return evaluate_tile_op(op, operands, *extent, 0);
}

// Two rows choose experts (2, 0) and (0, 1): expert 0 works on both rows in the first block, 1 and 2 on one
// each.
TEST(Dispatch, SortsPairsIntoBlocksOfOneGroup) {
  const Tile ids = tile(2, 2, {2, 0, 0, 1});
  EXPECT_EQ(dispatch_blocks(4, 3, 2), 3);
  EXPECT_THAT(*run(TileOpKind::kDispatch, {ids}, 3, 2).values,
              ElementsAre(0, 0, 1, 0, 1, 1, -1, 1, 0, 2, -1, 2));
  EXPECT_THAT(*run(TileOpKind::kDispatchPlace, {ids}, 3, 2).values, ElementsAre(4, 0, 1, 2));
}

TEST(Dispatch, EmptyBlocksCarryTheLastGroup) {
  const Tile ids = tile(1, 2, {3, 3});
  EXPECT_THAT(*run(TileOpKind::kDispatch, {ids}, 2, 2).values, ElementsAre(0, 3, 0, 3, -1, 3, -1, 3));
}

// Row 0 chooses an expert that is not here: it has no place, and gathers zeros.
TEST(Dispatch, LeavesOutPairsOfNoGroup) {
  const Tile ids = tile(2, 2, {-1, 1, 0, -7});
  EXPECT_THAT(*run(TileOpKind::kDispatch, {ids}, 2, 1).values, ElementsAre(1, 0, 0, 1));
  EXPECT_THAT(*run(TileOpKind::kDispatchPlace, {ids}, 2, 1).values, ElementsAre(-1, 1, 0, -1));
  const Tile none = tile(1, 2, {-1, -1});
  EXPECT_THAT(*run(TileOpKind::kDispatch, {none}, 2, 1).values, ElementsAre(-1, 0, -1, 0));
}

// However the pairs choose, the blocks suffice (the operation checks), and every pair finds its own row.
TEST(Dispatch, BlocksSufficeForRandomChoices) {
  Random random(5);
  for (int round = 0; round < 300; ++round) {
    const auto rows = static_cast<int64_t>(1 + random.below(20)),
               k = static_cast<int64_t>(1 + random.below(3));
    const auto groups = static_cast<int64_t>(1 + random.below(9)),
               size = static_cast<int64_t>(1 + random.below(8));
    std::vector<float> ids(static_cast<size_t>(rows * k));
    for (float& id : ids) id = static_cast<float>(random.below(static_cast<uint64_t>(groups)));
    const Tile chosen = tile(rows, k, ids);
    const int64_t blocks = dispatch_blocks(rows * k, groups, size);
    const Tile plan = run(TileOpKind::kDispatch, {chosen}, blocks, size);
    const Tile places = run(TileOpKind::kDispatchPlace, {chosen}, blocks, size);
    for (size_t i = 0; i < ids.size(); ++i) {
      const auto place = static_cast<size_t>((*places.values)[i]);
      EXPECT_EQ((*plan.values)[2 * place], static_cast<float>(static_cast<int64_t>(i) / k));
      EXPECT_EQ((*plan.values)[2 * place + 1], ids[i]);
    }
  }
}

TEST(Rows, SliceTapAndGather) {
  const Tile a = tile(3, 1, {1, 2, 3});
  EXPECT_THAT(*run(TileOpKind::kSliceRows, {a}, 1, 2).values, ElementsAre(2, 3));
  EXPECT_THAT(*run(TileOpKind::kTapRows, {a, tile(2, 1, {0, 0})}, 0).values, ElementsAre(2, 3));
  EXPECT_THAT(*run(TileOpKind::kTapRows, {a, tile(2, 1, {0, 0})}, 2).values, ElementsAre(0, 1));
  EXPECT_THAT(*run(TileOpKind::kGatherRows, {a, tile(4, 1, {2, -1, 0, 3})}).values, ElementsAre(3, 0, 1, 0));
}

TEST(Lookup, TakesTheTablesRowsInTurn) {
  const Tile table = tile(2, 3, {1, 2, 3, 10, 20, 30});
  EXPECT_THAT(*run(TileOpKind::kLookup, {table, tile(4, 1, {0, 0, 2, 5})}).values, ElementsAre(1, 10, 3, 0));
}

// One channel, one state, A = -log 2: a step of 1 halves the state.
TEST(Scan, ByHand) {
  const float a = -std::log(2.0F);
  const Tile inputs = tile(2, 2, {3, 1, 5, 1});  // x, step
  const Tile bc = tile(2, 2, {1, 10, 1, 100});   // B, C
  const Tile y = run(TileOpKind::kScan, {inputs, bc, tile(2, 1, {a, 8})});
  EXPECT_FLOAT_EQ((*y.values)[0], 10 * (4 + 3));
  EXPECT_FLOAT_EQ((*y.values)[1], 100 * (3.5F + 5));
  const Tile map = run(TileOpKind::kScanSummary, {inputs, bc, tile(1, 1, {a})});
  EXPECT_FLOAT_EQ((*map.values)[0], 0.25F);
  EXPECT_FLOAT_EQ((*map.values)[1], 1.5F + 5);
}

TEST(Compose, AppliesTheNewerMapAfterTheOlder) {
  const Tile older = tile(2, 1, {0.5F, 3});  // s -> s / 2 + 3
  const Tile newer = tile(2, 1, {4, 1});     // s -> 4 s + 1
  EXPECT_THAT(*accumulate_tile(Accumulate::kCompose, older, newer, 0).values, ElementsAre(2, 13));
  EXPECT_FALSE(accumulate_fits(Accumulate::kCompose, {3, 1}, {3, 1}));
}

}  // namespace
}  // namespace rdusim
