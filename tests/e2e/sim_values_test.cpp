// Functional runs: values ride on the tokens of the timed run. Small handmade programs against direct
// computation, to the bit.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/dtype.h"
#include "base/random.h"
#include "sim/simulator.h"
#include "tests/support/program_builder.h"
#include "tests/support/small_chip.h"

namespace rdusim::sim {
namespace {

using namespace rdusim::testing;  // NOLINT: builder words
using ::testing::HasSubstr;

Tensor random_tensor(Random& random, int64_t rows, int64_t cols) {
  Tensor t(rows, cols);
  for (float& x : t.values) x = round_to_bf16(static_cast<float>(random.uniform() * 2 - 1));
  return t;
}

RunResult run_values(const Program& p, MemoryImage& image) {
  const NodeSpec node = small_node(p.sockets);
  auto result = run(p, node, node.stacks[0], {Fidelity::kEvent, &image, nullptr, 0});
  EXPECT_TRUE(result.ok()) << (result.ok() ? "" : result.error().to_string());
  return result.ok() ? *result : RunResult{};
}

Tensor read(const MemoryImage& image, const Program& p, size_t symbol) {
  auto tensor = image.read(p, SymbolId(symbol));
  EXPECT_TRUE(tensor.ok());
  return *tensor;
}

// y = x W^T + bias over `sockets` sockets: x and W cut along K, partial products summed by scatter and
// gather, in socket order. x [m,k], W [n,k], bias [1,n].
struct LinearCase {
  int64_t sockets, m, k, n;
  DType dtype;
};

Program linear(const LinearCase& c) {
  ProgramBuilder b(c.sockets);
  const Shard by_k{ShardKind::kCols, c.sockets, 1};
  const ArgumentId x = b.symbol("x", c.m, c.k, c.dtype, by_k);
  const ArgumentId w = b.symbol("w", c.n, c.k, c.dtype, by_k);
  const ArgumentId bias = b.symbol("bias", 1, c.n);
  const ArgumentId y = b.symbol("y", c.m, c.n, DType::kFp32, {}, Tier::kDdr);
  const int64_t k = b.program().symbols[0].cols;
  const int64_t chunk = (c.n + c.sockets - 1) / c.sockets;
  const ChannelId cx = b.channel("cx", c.m, k, 2, 5, c.dtype);
  const ChannelId cw = b.channel("cw", 4, k, 2, 5, c.dtype);
  const ChannelId cb = b.channel("cb", 1, c.n);
  const ChannelId product = b.channel("product", c.m, c.n);
  const ChannelId part = b.channel("part", c.m, chunk);
  const ChannelId sum = b.channel("sum", c.m, chunk);
  const ChannelId own = b.channel("own", c.m, chunk);
  const ChannelId whole = b.channel("whole", c.m, c.n);
  const ChannelId cy = b.channel("cy", c.m, c.n);
  b.load("load.x", x, c.m, {cx});
  const int64_t tokens = b.load("load.w", w, 4, {cw}, 1).firings;
  b.load("load.bias", bias, 1, {cb});
  b.compute("gemm", UnitKind::kGemm, tokens, {in(cx, {tokens, 0, 1}), in(cw)}, {matmul(0, 1, true)},
            {out({product}, 2, {tokens, tokens - 1, tokens}, Accumulate::kConcatCols, tokens)}, 4);
  const Exchange scatter{1, ExchangeMode::kScatterCols, Combine::kSum};
  const Exchange gather{2, ExchangeMode::kBroadcast, Combine::kConcatCols};
  b.exchange("scatter.send", UnitKind::kSend, 1, product, part, scatter);
  b.exchange("scatter.receive", UnitKind::kReceive, 1, part, sum, scatter);
  b.exchange("gather.send", UnitKind::kSend, 1, sum, own, gather);
  b.exchange("gather.receive", UnitKind::kReceive, 1, own, whole, gather);
  b.compute("add", UnitKind::kSimd, 1, {in(whole), in(cb)}, {op(TileOpKind::kAdd, {0, 1})}, {out({cy}, 2)});
  b.store("store", y, c.m, cy);
  return b.finish();
}

Tensor linear_directly(const LinearCase& c, const Tensor& x, const Tensor& w, const Tensor& bias) {
  Tensor y(c.m, c.n);
  for (int64_t i = 0; i < c.m; ++i) {
    for (int64_t j = 0; j < c.n; ++j) {
      float total = 0;
      for (int64_t s = 0; s < c.sockets; ++s) {
        const ShardRange r = shard_range({ShardKind::kCols, c.sockets, 1}, c.k, s, c.sockets);
        float part = 0;
        for (int64_t k = r.begin; k < r.begin + r.size; ++k) part += x.at(i, k) * w.at(j, k);
        total = s == 0 ? part : total + part;
      }
      y.at(i, j) = total + bias.at(0, j);
    }
  }
  return y;
}

TEST(SimValues, LinearWithAllReduceEqualsDirectComputationOnAnyNumberOfSockets) {
  Random random(11);
  for (const LinearCase& c :
       {LinearCase{1, 3, 16, 12, DType::kFp32}, LinearCase{2, 3, 16, 12, DType::kBf16},
        LinearCase{2, 1, 17, 11, DType::kFp32}, LinearCase{4, 5, 18, 30, DType::kBf16}}) {
    const Program p = linear(c);
    MemoryImage image(p);
    const Tensor x = random_tensor(random, c.m, c.k);
    const Tensor w = random_tensor(random, c.n, c.k);
    const Tensor bias = random_tensor(random, 1, c.n);
    ASSERT_TRUE(image.write(p, SymbolId(0U), x).ok());
    ASSERT_TRUE(image.write(p, SymbolId(1U), w).ok());
    ASSERT_TRUE(image.write(p, SymbolId(2U), bias).ok());
    run_values(p, image);
    EXPECT_EQ(read(image, p, 3).values, linear_directly(c, x, w, bias).values) << c.sockets << " sockets";
    // Every socket holds the same bits.
    for (int64_t s = 1; s < c.sockets; ++s) EXPECT_EQ(image.bytes(s, Tier::kDdr), image.bytes(0, Tier::kDdr));
    // The run of one socket for all takes as long.
    const NodeSpec node = small_node(c.sockets);
    auto timed = run(p, node, node.stacks[0], {Fidelity::kEvent, nullptr, nullptr, 0});
    ASSERT_TRUE(timed.ok()) << timed.error().to_string();
  }
}

TEST(SimValues, StreamsReadSegmentsColumnsAndRepeats) {
  ProgramBuilder b;
  const ArgumentId x = b.symbol("x", 10, 6);
  const ArgumentId y = b.symbol("y", 12, 2);
  const ChannelId a = b.channel("a", 2, 2);
  Unit& load = b.load("load", x, 2, {a});
  load.stream->begin = 1;
  load.stream->rows = 3;  // tokens of 2 and 1 rows
  load.stream->segments = 2;
  load.stream->stride = 5;
  load.stream->repeats = 2;
  load.stream->col_begin = 3;
  load.stream->cols = 2;
  load.firings = load.stream->tokens();
  Unit& store = b.store("store", y, 2, a);
  store.stream->rows = 3;
  store.stream->segments = 4;
  store.stream->stride = 3;
  store.firings = store.stream->tokens();
  const Program p = b.finish();
  MemoryImage image(p);
  Tensor t(10, 6);
  for (size_t i = 0; i < t.values.size(); ++i) t.values[i] = static_cast<float>(i);
  ASSERT_TRUE(image.write(p, SymbolId(0U), t).ok());
  run_values(p, image);
  const Tensor got = read(image, p, 1);
  for (int64_t i = 0; i < 12; ++i) {
    const int64_t row = 1 + (i / 3 % 2) * 5 + i % 3;
    EXPECT_EQ(got.at(i, 0), t.at(row, 3));
    EXPECT_EQ(got.at(i, 1), t.at(row, 4));
  }
}

// Rows of a table by number.
Program gather_rows(int64_t table_rows) {
  ProgramBuilder b;
  const ArgumentId table = b.symbol("table", table_rows, 4, DType::kBf16);
  const ArgumentId ids = b.symbol("ids", 3, 1, DType::kInt32);
  const ArgumentId y = b.symbol("y", 3, 4);
  const ChannelId numbers = b.channel("numbers", 3, 1);
  const ChannelId rows = b.channel("rows", 3, 4);
  b.load("ids", ids, 3, {numbers});
  Unit& g = b.load("gather", table, 1, {rows});
  g.stream->gather = true;
  g.firings = 1;
  g.inputs.push_back(in(numbers));
  b.store("store", y, 3, rows);
  return b.finish();
}

TEST(SimValues, GatherTakesRowNumbersFromTheToken) {
  const Program p = gather_rows(5);
  MemoryImage image(p);
  Tensor table(5, 4);
  for (size_t i = 0; i < table.values.size(); ++i) table.values[i] = static_cast<float>(i);
  Tensor ids(3, 1);
  ids.values = {4, 0, 4};
  ASSERT_TRUE(image.write(p, SymbolId(0U), table).ok());
  ASSERT_TRUE(image.write(p, SymbolId(1U), ids).ok());
  const RunResult r = run_values(p, image);
  EXPECT_THAT(read(image, p, 2).values, ::testing::ElementsAre(16, 17, 18, 19, 0, 1, 2, 3, 16, 17, 18, 19));
  EXPECT_EQ(r.bytes[static_cast<size_t>(Wire::kHbm)][static_cast<size_t>(Cause::kWeights)], 24 + 12 + 48);
  ids.values = {4, 5, 0};
  ASSERT_TRUE(image.write(p, SymbolId(1U), ids).ok());
  const NodeSpec node = small_node(1);
  auto bad = run(p, node, node.stacks[0], {Fidelity::kEvent, &image, nullptr, 0});
  ASSERT_FALSE(bad.ok());
  EXPECT_EQ(bad.error().to_string(),
            "section main, unit gather, gather: error: row number 5 is outside symbol table of 5 rows");
  ids.values = {1, 1, 1};  // the pool works after the error
  ASSERT_TRUE(image.write(p, SymbolId(1U), ids).ok());
  run_values(p, image);
  EXPECT_THAT(read(image, p, 2).at(2, 3), 7);
}

TEST(SimValues, TokensAreRoundedByTheirProducer) {
  ProgramBuilder b;
  const ArgumentId x = b.symbol("x", 1, 2);
  const ArgumentId y = b.symbol("y", 1, 2);
  const ArgumentId z = b.symbol("z", 1, 2);
  const ChannelId a = b.channel("a", 1, 2);
  const ChannelId narrow = b.channel("narrow", 1, 2, 2, 0, DType::kBf16);
  const ChannelId wide = b.channel("wide", 1, 2);
  b.load("load", x, 1, {a});
  b.compute("neg", UnitKind::kSimd, 1, {in(a)}, {op(TileOpKind::kNeg, {0})}, {out({narrow, wide}, 1)});
  b.store("store.y", y, 1, narrow);
  b.store("store.z", z, 1, wide);
  const Program p = b.finish();
  MemoryImage image(p);
  Tensor t(1, 2);
  t.values = {1.0F / 3, 2};
  ASSERT_TRUE(image.write(p, SymbolId(0U), t).ok());
  run_values(p, image);
  EXPECT_EQ(read(image, p, 1).values[0], round_to_bf16(-1.0F / 3));
  EXPECT_EQ(read(image, p, 2).values[0], -1.0F / 3);
}

// Growing keys with a causal mask from coordinates: the shape of attention.
TEST(SimValues, AccumulatorsCarryRowCoordinates) {
  ProgramBuilder b;
  const ArgumentId x = b.symbol("x", 6, 1);
  const ArgumentId y = b.symbol("y", 6, 1);
  const ChannelId a = b.channel("a", 2, 1);
  const ChannelId query = b.channel("query", 2, 1);
  const ChannelId keys = b.channel("keys", 6, 1);
  const ChannelId c = b.channel("c", 2, 1);
  b.load("load", x, 2, {a});
  b.compute("buffer", UnitKind::kBuffer, 3, {in(a)}, {},
            {out({query}, 0), out({keys}, 0, {}, Accumulate::kConcatRows, 3, 4)});
  // Sum over keys not later than the query (of the last four rows kept).
  b.compute(
      "masked_sum", UnitKind::kSimd, 3, {in(query), in(keys)},
      {op(TileOpKind::kTranspose, {1}), op(TileOpKind::kRowIndex, {0}, 1), op(TileOpKind::kColIndex, {2}),
       op(TileOpKind::kCmpLessEqual, {4, 3}), op(TileOpKind::kMul, {5, 2}), op(TileOpKind::kRowSum, {6})},
      {out({c}, 7)});
  b.store("store", y, 2, c);
  const Program p = b.finish();
  MemoryImage image(p);
  Tensor t(6, 1);
  t.values = {1, 2, 4, 8, 16, 32};
  ASSERT_TRUE(image.write(p, SymbolId(0U), t).ok());
  run_values(p, image);
  EXPECT_THAT(read(image, p, 1).values, ::testing::ElementsAre(1, 3, 7, 15, 28, 60));
}

TEST(SimValues, ImageRefusesWrongShapes) {
  const Program p = gather_rows(5);
  MemoryImage image(p);
  const Status status = image.write(p, SymbolId(0U), Tensor(4, 4));
  ASSERT_FALSE(status.ok());
  EXPECT_THAT(status.error().to_string(),
              HasSubstr("symbol table: error: tensor table is 4 x 4, expected 5 x 4"));
}

TEST(SimValues, FormatsSurviveMemory) {
  for (const DType dtype : {DType::kBf16, DType::kFp16, DType::kFp32, DType::kInt32, DType::kInt64}) {
    ProgramBuilder b(2);
    b.symbol("x", 3, 4, dtype, {ShardKind::kCols, 2, 1});
    b.symbol("y", 5, 4, dtype, {ShardKind::kRows, 2, 2});
    const Program p = b.finish();
    MemoryImage image(p);
    for (size_t s = 0; s < 2; ++s) {
      Tensor t(p.symbols[s].full_rows, 4);
      for (size_t i = 0; i < t.values.size(); ++i) t.values[i] = static_cast<float>(i) - 4;
      ASSERT_TRUE(image.write(p, SymbolId(s), t).ok());
      EXPECT_EQ(read(image, p, s).values, t.values);
    }
  }
}

}  // namespace
}  // namespace rdusim::sim
