// Does each tile operation do what tile_op.def says: extent, coordinates, values, work?
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/dtype.h"
#include "base/program/tile.h"
#include "base/random.h"
#include "tests/support/program_builder.h"

namespace rdusim {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::matmul;
using testing::op;

Tile tile(int64_t rows, int64_t cols, std::vector<float> values, int64_t row0 = 0, int64_t col0 = 0) {
  EXPECT_EQ(static_cast<size_t>(rows * cols), values.size());
  return Tile{{rows, cols, row0, col0}, std::make_shared<const std::vector<float>>(std::move(values))};
}

Tile apply(const TileOp& o, const std::vector<Tile>& x, int64_t firing = 0) {
  std::array<Extent, 3> extents{};
  std::array<const Tile*, 3> tiles{};
  for (size_t i = 0; i < x.size(); ++i) {
    extents[i] = x[i].extent;
    tiles[i] = &x[i];
  }
  auto extent = tile_op_extent(o, extents, firing);
  EXPECT_TRUE(extent.ok()) << extent.error().to_string();
  return evaluate_tile_op(o, tiles, *extent, firing);
}

std::vector<float> values(const TileOp& o, const std::vector<Tile>& x, int64_t firing = 0) {
  return *apply(o, x, firing).values;
}

TEST(TileOps, MapsOfOneOperand) {
  const Tile x = tile(1, 3, {-4, 0.25F, 1});
  EXPECT_THAT(values(op(TileOpKind::kNeg, {0}), {x}), ElementsAre(4, -0.25F, -1));
  EXPECT_THAT(values(op(TileOpKind::kAbs, {0}), {x}), ElementsAre(4, 0.25F, 1));
  EXPECT_THAT(values(op(TileOpKind::kAddScalar, {0}, 0, 0, 2), {x}), ElementsAre(-2, 2.25F, 3));
  EXPECT_THAT(values(op(TileOpKind::kMulScalar, {0}, 0, 0, -2), {x}), ElementsAre(8, -0.5F, -2));
  EXPECT_THAT(values(op(TileOpKind::kMaxScalar, {0}, 0, 0, 0.5F), {x}), ElementsAre(0.5F, 0.5F, 1));
  EXPECT_THAT(values(op(TileOpKind::kMinScalar, {0}, 0, 0, 0.5F), {x}), ElementsAre(-4, 0.25F, 0.5F));
  EXPECT_THAT(values(op(TileOpKind::kReciprocal, {0}), {x}), ElementsAre(-0.25F, 4, 1));
  EXPECT_THAT(values(op(TileOpKind::kExp, {0}), {x}),
              ElementsAre(std::exp(-4.0F), std::exp(0.25F), std::exp(1.0F)));
  EXPECT_THAT(values(op(TileOpKind::kTanh, {0}), {x}),
              ElementsAre(std::tanh(-4.0F), std::tanh(0.25F), std::tanh(1.0F)));
  EXPECT_THAT(values(op(TileOpKind::kErf, {0}), {x}),
              ElementsAre(std::erf(-4.0F), std::erf(0.25F), std::erf(1.0F)));
  EXPECT_FLOAT_EQ(values(op(TileOpKind::kSigmoid, {0}), {x})[0], 1 / (1 + std::exp(4.0F)));
  EXPECT_FLOAT_EQ(values(op(TileOpKind::kRsqrt, {0}), {x})[1], 2);
  EXPECT_FLOAT_EQ(values(op(TileOpKind::kSqrt, {0}), {x})[1], 0.5F);
  EXPECT_EQ(values(op(TileOpKind::kLog, {0}), {tile(1, 1, {0})})[0], -std::numeric_limits<float>::infinity());
  EXPECT_EQ(values(op(TileOpKind::kRoundBf16, {0}), {tile(1, 1, {1.00390625F})})[0],
            round_to_bf16(1.00390625F));
}

TEST(TileOps, BinaryMapsBroadcastRowsAndColumns) {
  const Tile x = tile(2, 2, {1, 2, 3, 4});
  const Tile row = tile(1, 2, {10, 20});
  const Tile col = tile(2, 1, {100, 200});
  EXPECT_THAT(values(op(TileOpKind::kAdd, {0, 1}), {x, row}), ElementsAre(11, 22, 13, 24));
  EXPECT_THAT(values(op(TileOpKind::kAdd, {0, 1}), {col, x}), ElementsAre(101, 102, 203, 204));
  EXPECT_THAT(values(op(TileOpKind::kSub, {0, 1}), {row, col}), ElementsAre(-90, -80, -190, -180));
  EXPECT_THAT(values(op(TileOpKind::kMul, {0, 1}), {x, tile(1, 1, {3})}), ElementsAre(3, 6, 9, 12));
  EXPECT_THAT(values(op(TileOpKind::kDiv, {0, 1}), {x, row}), ElementsAre(0.1F, 0.1F, 0.3F, 0.2F));
  EXPECT_THAT(values(op(TileOpKind::kMax, {0, 1}), {x, tile(1, 2, {2, 3})}), ElementsAre(2, 3, 3, 4));
  EXPECT_THAT(values(op(TileOpKind::kMin, {0, 1}), {x, tile(1, 2, {2, 3})}), ElementsAre(1, 2, 2, 3));
  EXPECT_THAT(values(op(TileOpKind::kCmpLess, {0, 1}), {x, tile(1, 1, {2})}), ElementsAre(1, 0, 0, 0));
  EXPECT_THAT(values(op(TileOpKind::kCmpLessEqual, {0, 1}), {x, tile(1, 1, {2})}), ElementsAre(1, 1, 0, 0));
  EXPECT_THAT(values(op(TileOpKind::kCmpEqual, {0, 1}), {x, tile(1, 1, {2})}), ElementsAre(0, 1, 0, 0));
  EXPECT_THAT(values(op(TileOpKind::kSelect, {0, 1, 2}), {tile(1, 2, {0, 1}), x, tile(1, 1, {9})}),
              ElementsAre(9, 2, 9, 4));
}

TEST(TileOps, Reductions) {
  const Tile x = tile(2, 3, {1, 5, 5, -1, -2, -3}, 4, 10);
  EXPECT_THAT(values(op(TileOpKind::kRowSum, {0}), {x}), ElementsAre(11, -6));
  EXPECT_THAT(values(op(TileOpKind::kRowMax, {0}), {x}), ElementsAre(5, -1));
  EXPECT_THAT(values(op(TileOpKind::kColSum, {0}), {x}), ElementsAre(0, 3, 2));
  EXPECT_THAT(values(op(TileOpKind::kRowArgMax, {0}), {x}), ElementsAre(11, 10));  // ties lowest; coordinates
  EXPECT_EQ(apply(op(TileOpKind::kRowSum, {0}), {x}).extent, (Extent{2, 1, 4, 0}));
  EXPECT_EQ(apply(op(TileOpKind::kColSum, {0}), {x}).extent, (Extent{1, 3, 0, 10}));
}

TEST(TileOps, CrossLane) {
  const Tile x = tile(1, 4, {2, 7, 7, 1}, 3, 100);
  const Tile top = apply(op(TileOpKind::kTopK, {0}, 3), {x});
  EXPECT_THAT(*top.values, ElementsAre(7, 7, 2, 101, 102, 100));
  EXPECT_EQ(top.extent, (Extent{1, 6, 3, 0}));
  EXPECT_THAT(values(op(TileOpKind::kLookup, {0, 1}), {x, tile(2, 2, {100, 103, 101, 999})}),
              ElementsAre(2, 1, 7, 0));
  EXPECT_THAT(values(op(TileOpKind::kHistogram, {0}, 3), {tile(2, 3, {0, 2, 2, 1, 1, 1})}),
              ElementsAre(1, 0, 2, 0, 3, 0));
}

TEST(TileOps, IndicesAreCoordinates) {
  const Tile x = tile(4, 2, std::vector<float>(8), 6, 5);
  EXPECT_THAT(values(op(TileOpKind::kRowIndex, {0}, 2), {x}), ElementsAre(3, 3, 4, 4));
  EXPECT_THAT(values(op(TileOpKind::kColIndex, {0}), {x}), ElementsAre(5, 6));
}

TEST(TileOps, LayoutKeepsCoordinates) {
  const Tile x = tile(2, 4, {1, 2, 3, 4, 5, 6, 7, 8}, 10, 20);
  const Tile reshaped = apply(op(TileOpKind::kReshape, {0}, 2), {x});
  EXPECT_THAT(*reshaped.values, ElementsAre(1, 2, 3, 4, 5, 6, 7, 8));
  EXPECT_EQ(reshaped.extent, (Extent{4, 2, 20, 0}));
  const Tile slice = apply(op(TileOpKind::kSliceCols, {0}, 1, 2), {x});
  EXPECT_THAT(*slice.values, ElementsAre(2, 3, 6, 7));
  EXPECT_EQ(slice.extent, (Extent{2, 2, 10, 21}));
  const Tile edge = apply(op(TileOpKind::kSliceColsByFiring, {0}, 3, 2), {x}, 5);
  EXPECT_THAT(*edge.values, ElementsAre(4, 8));
  EXPECT_EQ(edge.extent, (Extent{2, 1, 10, 23}));
  EXPECT_THAT(values(op(TileOpKind::kSliceRowsByFiring, {0}, 1, 2), {x}, 3), ElementsAre(5, 6, 7, 8));
  const Tile last = apply(op(TileOpKind::kLastRow, {0}), {x});
  EXPECT_THAT(*last.values, ElementsAre(5, 6, 7, 8));
  EXPECT_EQ(last.extent.row0, 11);
  EXPECT_THAT(values(op(TileOpKind::kConcatCols, {0, 1}), {tile(2, 1, {1, 2}), tile(2, 2, {3, 4, 5, 6})}),
              ElementsAre(1, 3, 4, 2, 5, 6));
  EXPECT_THAT(values(op(TileOpKind::kConcatRows, {0, 1}), {tile(1, 2, {1, 2}), tile(2, 2, {3, 4, 5, 6})}),
              ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_THAT(values(op(TileOpKind::kRepeatRows, {0}, 2), {tile(2, 1, {1, 2})}), ElementsAre(1, 1, 2, 2));
  const Tile turned = apply(op(TileOpKind::kTranspose, {0}), {x});
  EXPECT_THAT(*turned.values, ElementsAre(1, 5, 2, 6, 3, 7, 4, 8));
  EXPECT_EQ(turned.extent, (Extent{4, 2, 20, 10}));
}

// The definition, one dot product at a time.
float dot(const TileOp& o, const Tile& a, const Tile& b, int64_t i, int64_t j, int64_t n) {
  const int64_t k_count = a.extent.cols;
  const int64_t group = (i % o.matmul_row_cycle) / o.matmul_rows_per_group;
  float sum = 0;
  for (int64_t k = 0; k < k_count; ++k) {
    const int64_t at =
        o.matmul_transposed ? j * b.extent.cols + group * k_count + k : k * b.extent.cols + group * n + j;
    sum += (*a.values)[static_cast<size_t>(i * k_count + k)] * (*b.values)[static_cast<size_t>(at)];
  }
  return sum;
}

TEST(TileOps, MatmulIsTheLeftToRightDotProductInEveryForm) {
  Random random(7);
  const auto fill = [&](int64_t rows, int64_t cols) {
    std::vector<float> v(static_cast<size_t>(rows * cols));
    for (float& x : v) x = static_cast<float>(random.uniform() - 0.5);
    return tile(rows, cols, std::move(v), 3, 4);
  };
  for (int trial = 0; trial < 60; ++trial) {
    const auto pick = [&](uint64_t n) { return static_cast<int64_t>(1 + random.below(n)); };
    const int64_t groups = pick(3);
    const int64_t per_group = pick(3);
    const int64_t m = pick(12);
    const int64_t k = pick(40);
    const int64_t n = pick(20);
    const bool transposed = random.below(2) == 0;
    const TileOp o = matmul(0, 1, transposed, groups * per_group, per_group);
    const Tile a = fill(m, k);
    const Tile b = transposed ? fill(n, groups * k) : fill(k, groups * n);
    const Tile c = apply(o, {a, b});
    ASSERT_EQ(c.extent.rows, m);
    ASSERT_EQ(c.extent.cols, n);
    EXPECT_EQ(c.extent.row0, 3);
    for (int64_t i = 0; i < m; ++i) {
      for (int64_t j = 0; j < n; ++j) {
        EXPECT_EQ((*c.values)[static_cast<size_t>(i * n + j)], dot(o, a, b, i, j, n));  // to the bit
      }
    }
    EXPECT_EQ(tile_op_work(o, {a.extent, b.extent, {}}, c.extent).amount, m * n * k);
  }
}

TEST(TileOps, MapCoordinatesFollowTheMatrixNotTheFactor) {
  const Extent matrix{4, 8, 16, 32};
  const Extent factor{4, 1, 16, 0};
  const Extent row{1, 8, 0, 99};
  EXPECT_EQ(*tile_op_extent(op(TileOpKind::kMul, {0, 1}), {factor, matrix, {}}, 0), matrix);
  EXPECT_EQ(*tile_op_extent(op(TileOpKind::kMul, {0, 1}), {row, matrix, {}}, 0), matrix);
  EXPECT_EQ(*tile_op_extent(op(TileOpKind::kMul, {0, 1}), {matrix, row, {}}, 0), matrix);
}

TEST(TileOps, EmptyTilesPassThrough) {
  const Tile none = tile(0, 3, {});
  EXPECT_EQ(apply(op(TileOpKind::kAdd, {0, 1}), {none, tile(1, 3, {1, 2, 3})}).extent.rows, 0);
  EXPECT_EQ(apply(op(TileOpKind::kRowSum, {0}), {none}).extent.rows, 0);
  EXPECT_THAT(values(op(TileOpKind::kColSum, {0}), {none}), ElementsAre(0, 0, 0));
}

TEST(TileOps, MisfitsAreErrorsThatNameTheOperation) {
  const auto fails = [](const TileOp& o, Extent a, Extent b) {
    auto extent = tile_op_extent(o, {a, b, {}}, 0);
    EXPECT_FALSE(extent.ok());
    return extent.ok() ? std::string() : extent.error().to_string();
  };
  EXPECT_THAT(fails(op(TileOpKind::kAdd, {0, 1}), {2, 3}, {3, 3}),
              HasSubstr("operation add: error: operands [2,3] [3,3]"));
  EXPECT_THAT(fails(matmul(0, 1, true), {2, 3}, {3, 4}), HasSubstr("operation matmul"));
  EXPECT_THAT(fails(matmul(0, 1, false), {2, 3}, {4, 3}), HasSubstr("columns(A) rows"));
  EXPECT_THAT(fails(op(TileOpKind::kReshape, {0}, 4), {2, 3}, {}), HasSubstr("divide"));
  EXPECT_THAT(fails(op(TileOpKind::kSliceCols, {0}, 2, 2), {2, 3}, {}), HasSubstr("outside"));
  EXPECT_THAT(fails(op(TileOpKind::kTopK, {0}, 4), {2, 3}, {}), HasSubstr("k must be"));
}

TEST(TileOps, TheTableNamesEveryOperationOnce) {
#define RDU_TILE_OP(enumerator, name, count, op_class, doc)   \
  EXPECT_EQ(tile_op_from_name(name), TileOpKind::enumerator); \
  EXPECT_EQ(tile_op_record(TileOpKind::enumerator).operands, count);
#include "base/program/tile_op.def"
#undef RDU_TILE_OP
  EXPECT_FALSE(tile_op_from_name("conv").has_value());
}

TEST(Accumulators, SumConcatAndRing) {
  const Tile a = tile(1, 2, {1, 2}, 5, 0);
  const Tile b = tile(1, 2, {3, 4}, 6, 0);
  EXPECT_THAT(*accumulate_tile(Accumulate::kSum, a, b, 0).values, ElementsAre(4, 6));
  EXPECT_THAT(*accumulate_tile(Accumulate::kConcatCols, a, b, 0).values, ElementsAre(1, 2, 3, 4));
  const Tile rows = accumulate_tile(Accumulate::kConcatRows, a, b, 0);
  EXPECT_THAT(*rows.values, ElementsAre(1, 2, 3, 4));
  EXPECT_EQ(rows.extent, (Extent{2, 2, 5, 0}));
  const Tile ring = accumulate_tile(Accumulate::kConcatRows, rows, tile(1, 2, {5, 6}, 7, 0), 2);
  EXPECT_THAT(*ring.values, ElementsAre(3, 4, 5, 6));
  EXPECT_EQ(ring.extent, (Extent{2, 2, 6, 0}));
  EXPECT_FALSE(accumulate_fits(Accumulate::kSum, {1, 2}, {2, 2}));
  EXPECT_FALSE(accumulate_fits(Accumulate::kConcatRows, {1, 2}, {1, 3}));
  EXPECT_FALSE(accumulate_fits(Accumulate::kConcatCols, {1, 2}, {2, 2}));
}

}  // namespace
}  // namespace rdusim
