// Does each operator compute what its record says? Small cases worked by hand, and the error of each operand
// that does not fit.
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "tests/support/op_case.h"

namespace rdusim::compiler {
namespace {

using testing::expect_near;
using testing::OpCase;
using testing::tensor;

TEST(Embedding, PicksRows) {
  const Tensor result = OpCase()
                            .input(tensor(3, 1, {2, 0, 2}), DType::kInt32)
                            .input(tensor(3, 2, {1, 2, 3, 4, 5, 6}))
                            .run(OpKind::kEmbedding);
  expect_near(result, 3, 2, {5, 6, 1, 2, 5, 6});
}

TEST(Embedding, IdsAreOneColumnOfIntegers) {
  EXPECT_HAS(OpCase().input(tensor(1, 1, {0})).input(tensor(1, 1, {0})).error(OpKind::kEmbedding),
             "must be int32");
  EXPECT_HAS(
      OpCase().input(tensor(1, 2, {0, 0}), DType::kInt32).input(tensor(1, 1, {0})).error(OpKind::kEmbedding),
      "must have 1 columns");
}

TEST(Linear, MultipliesByTheTransposedWeight) {
  OpCase plain;
  plain.input(tensor(1, 2, {1, 2})).input(tensor(3, 2, {1, 0, 0, 1, 3, -1}));
  expect_near(plain.run(OpKind::kLinear), 1, 3, {1, 2, 1});
  OpCase biased;
  biased.input(tensor(1, 2, {1, 2}))
      .input(tensor(3, 2, {1, 0, 0, 1, 3, -1}))
      .input(tensor(1, 3, {10, 20, 30}));
  expect_near(biased.run(OpKind::kLinear), 1, 3, {11, 22, 31});
}

TEST(Linear, RoundsOnceWhenStoredAsBf16) {
  // Three times 2^-9 is three quarters of a BF16 step above 1: the sum kept in FP32 rounds up to 1 + 2^-7;
  // rounding after each addition would lose all three.
  const float tiny = std::ldexp(1.0F, -9);
  const Tensor x = tensor(1, 4, {1, tiny, tiny, tiny});
  const Tensor ones = tensor(1, 4, {1, 1, 1, 1});
  expect_near(OpCase().dtype(DType::kBf16).input(x).input(ones).run(OpKind::kLinear), 1, 1,
              {1.0F + std::ldexp(1.0F, -7)});
}

TEST(Linear, OperandsThatDoNotFit) {
  EXPECT_HAS(OpCase().input(tensor(1, 2, {1, 2})).input(tensor(1, 3, {1, 0, 0})).error(OpKind::kLinear),
             "weight in1 has shape [1,3] but must have 2 columns");
  EXPECT_HAS(OpCase()
                 .input(tensor(1, 1, {1}))
                 .input(tensor(2, 1, {1, 0}))
                 .input(tensor(1, 1, {1}))
                 .error(OpKind::kLinear),
             "bias in2 has shape [1,1] but must have 2 columns");
}

TEST(RmsNorm, DividesByTheRootMeanSquare) {
  const Tensor result = OpCase()
                            .input(tensor(2, 2, {3, 4, 0, 0}))
                            .input(tensor(1, 2, {1, 2}))
                            .run(OpKind::kRmsNorm, {{"eps", 0.5}});
  // mean square 12.5, plus 0.5: root of 13
  const float scale = 1.0F / std::sqrt(13.0F);
  expect_near(result, 2, 2, {3 * scale, 8 * scale, 0, 0});
}

TEST(RmsNorm, GainIsOneRow) {
  EXPECT_HAS(
      OpCase().input(tensor(1, 2, {3, 4})).input(tensor(1, 1, {1})).error(OpKind::kRmsNorm, {{"eps", 0.5}}),
      "gain in1");
  EXPECT_HAS(
      OpCase().input(tensor(1, 1, {3})).input(tensor(1, 1, {1})).error(OpKind::kRmsNorm, {{"eps", -0.5}}),
      "negative");
}

TEST(Rope, RotatesPairsHalfAHeadApart) {
  // head_dim 4, two heads; past 1, so row 0 uses table row 1: pair (0,2) by 90 degrees, pair (1,3) by 180.
  const Tensor table = tensor(2, 4, {1, 1, 0, 0, 0, -1, 1, 0});
  const Tensor result =
      OpCase()
          .input(tensor(1, 8, {1, 2, 3, 4, 5, 6, 7, 8}))
          .input(table)
          .run(OpKind::kRope, {{"head_dim", 4L}, {"past_tokens", 1L}, {"query_tokens", 1L}});
  expect_near(result, 1, 8, {-3, -2, 1, -4, -7, -6, 5, -8});
}

TEST(Rope, PositionsStartAgainWithEachSequence) {
  const Tensor table = tensor(2, 2, {1, 0, 0, 1});
  const Tensor result =
      OpCase()
          .input(tensor(4, 2, {1, 2, 1, 2, 1, 2, 1, 2}))
          .input(table)
          .run(OpKind::kRope, {{"head_dim", 2L}, {"past_tokens", 0L}, {"query_tokens", 2L}});
  expect_near(result, 4, 2, {1, 2, -2, 1, 1, 2, -2, 1});
}

TEST(Rope, TooShortTable) {
  EXPECT_HAS(OpCase()
                 .input(tensor(1, 2, {1, 2}))
                 .input(tensor(1, 2, {1, 0}))
                 .error(OpKind::kRope, {{"head_dim", 2L}, {"past_tokens", 3L}, {"query_tokens", 1L}}),
             "has 1 positions, 4 are needed");
}

TEST(SwiGlu, GatesWithSilu) {
  const Tensor result = OpCase().input(tensor(1, 2, {0, 1})).input(tensor(1, 2, {5, 2})).run(OpKind::kSwiGlu);
  expect_near(result, 1, 2, {0, 2.0F / (1.0F + std::exp(-1.0F))});
}

TEST(Add, AddsAndWantsOneShape) {
  expect_near(OpCase().input(tensor(1, 2, {1, 2})).input(tensor(1, 2, {10, 20})).run(OpKind::kAdd), 1, 2,
              {11, 22});
  EXPECT_HAS(OpCase().input(tensor(1, 2, {1, 2})).input(tensor(2, 1, {1, 2})).error(OpKind::kAdd),
             "in0 has shape [1,2] but in1");
}

TEST(Mul, RepeatsRowsAndColumns) {
  const Tensor a = tensor(2, 2, {1, 2, 3, 4});
  expect_near(OpCase().input(a).input(a).run(OpKind::kMul), 2, 2, {1, 4, 9, 16});
  expect_near(OpCase().input(a).input(tensor(1, 2, {10, 100})).run(OpKind::kMul), 2, 2, {10, 200, 30, 400});
  expect_near(OpCase().input(a).input(tensor(2, 1, {10, 100})).run(OpKind::kMul), 2, 2, {10, 20, 300, 400});
  EXPECT_HAS(OpCase().input(a).input(tensor(1, 3, {1, 2, 3})).error(OpKind::kMul), "does not fit");
}

TEST(LastToken, KeepsTheLastRowOfEachSequence) {
  const Tensor x = tensor(4, 1, {1, 2, 3, 4});
  expect_near(OpCase().input(x).run(OpKind::kLastToken, {{"query_tokens", 2L}}), 2, 1, {2, 4});
  EXPECT_HAS(OpCase().input(x).error(OpKind::kLastToken, {{"query_tokens", 3L}}),
             "4 rows of in0 are not whole sequences of 3");
}

TEST(L2Normalize, ZeroRowStaysZero) {
  expect_near(OpCase().input(tensor(2, 2, {3, 4, 0, 0})).run(OpKind::kL2Normalize), 2, 2, {0.6F, 0.8F, 0, 0});
}

TEST(HeadNorm, EachHeadForItselfWithOneGain) {
  // Heads (3, 4) and (0, 5): root mean squares 5 / sqrt(2) twice.
  const Tensor x = tensor(1, 4, {3, 4, 0, 5});
  const float root = std::sqrt(2.0F);
  OpCase two = OpCase().input(x).input(tensor(1, 2, {1, 10}));
  expect_near(two.run(OpKind::kHeadNorm, {{"eps", 0.0}, {"head_dim", 2L}}), 1, 4,
              {0.6F * root, 8 * root, 0, 10 * root});
  EXPECT_HAS(two.error(OpKind::kHeadNorm, {{"eps", 0.0}, {"head_dim", 3L}}), "are not whole heads of 3");
  EXPECT_HAS(two.error(OpKind::kHeadNorm, {{"eps", 0.0}, {"head_dim", 4L}}), "gain");
}

TEST(Collectives, OneSocketIsTheIdentity) {
  const Tensor x = tensor(1, 3, {1, 2, 3});
  expect_near(OpCase().input(x).run(OpKind::kAllReduce, {{"sockets", 1L}}), 1, 3, {1, 2, 3});
  expect_near(OpCase().input(x).run(OpKind::kAllGather, {{"full_cols", 2L}, {"sockets", 1L}}), 1, 2, {1, 2});
  EXPECT_HAS(OpCase().input(x).error(OpKind::kAllGather, {{"full_cols", 7L}, {"sockets", 2L}}),
             "full_cols is 7");
}

TEST(TopK, DescendingAndTiesToTheLowestColumn) {
  const Tensor x = tensor(1, 5, {0.5F, 2, 0.5F, 2, 1});
  expect_near(OpCase().input(x).run(OpKind::kTopK, {{"k", 4L}}), 1, 8, {2, 2, 1, 0.5F, 1, 3, 4, 0});
  EXPECT_HAS(OpCase().input(x).error(OpKind::kTopK, {{"k", 6L}}), "k is 6");
}

TEST(Vote, CountsLabelsOfNeighbours) {
  const Tensor topk = tensor(1, 6, {9, 8, 7, 3, 0, 1});
  const Tensor labels = tensor(1, 4, {1, 2, 0, 1});
  expect_near(
      OpCase().input(topk).input(labels, DType::kInt32).run(OpKind::kVote, {{"classes", 3L}, {"k", 3L}}), 1,
      3, {0, 2, 1});
}

TEST(Vote, LabelOutsideTheClassesCountsForNobody) {
  const Tensor topk = tensor(1, 4, {9, 8, 0, 1});
  const Tensor labels = tensor(1, 2, {7, 1});
  expect_near(
      OpCase().input(topk).input(labels, DType::kInt32).run(OpKind::kVote, {{"classes", 2L}, {"k", 2L}}), 1,
      2, {0, 1});
}

TEST(Entropy, InNats) {
  const Tensor result = OpCase().input(tensor(3, 2, {2, 2, 4, 0, 0, 0})).run(OpKind::kEntropy);
  expect_near(result, 3, 1, {std::log(2.0F), 0, 0});
}

TEST(Route, FallsBackAboveTheThresholdOnly) {
  const Tensor counts = tensor(3, 3, {1, 2, 2, 0, 0, 5, 1, 1, 3});
  const Tensor entropy = tensor(3, 1, {0.5F, 0.6F, 0.4F});
  // at the threshold exactly: no fallback; a tie goes to the lowest expert
  expect_near(
      OpCase().input(counts).input(entropy).run(OpKind::kRoute, {{"fallback", 0L}, {"threshold", 0.5}}), 3, 1,
      {1, 0, 2});
}

// ------------------------------------------------------------------------------------------------ attention

std::vector<Attribute> attention(int64_t heads, int64_t kv_heads, int64_t tokens, int64_t past,
                                 int64_t capacity, int64_t window, int64_t causal = 1) {
  return {{"capacity", capacity},   {"causal", causal},     {"head_dim", 1L},
          {"heads", heads},         {"kv_heads", kv_heads}, {"past_tokens", past},
          {"query_tokens", tokens}, {"scale", 1.0},         {"window", window}};
}

// With queries 0 all scores are 0, so the result is the mean of the allowed values.
TEST(Attention, CausalMeansUpToItself) {
  OpCase one;
  one.input(tensor(3, 1, {0, 0, 0})).input(tensor(3, 1, {1, 2, 3})).input(tensor(3, 1, {6, 12, 3}));
  expect_near(one.run(OpKind::kAttention, attention(1, 1, 3, 0, 0, 0)), 3, 1, {6, 9, 7});
  OpCase all;
  all.input(tensor(3, 1, {0, 0, 0})).input(tensor(3, 1, {1, 2, 3})).input(tensor(3, 1, {6, 12, 3}));
  expect_near(all.run(OpKind::kAttention, attention(1, 1, 3, 0, 0, 0, 0)), 3, 1, {7, 7, 7});
}

TEST(Attention, WindowCountsItself) {
  OpCase two;
  two.input(tensor(3, 1, {0, 0, 0})).input(tensor(3, 1, {1, 2, 3})).input(tensor(3, 1, {6, 12, 2}));
  expect_near(two.run(OpKind::kAttention, attention(1, 1, 3, 0, 0, 2)), 3, 1, {6, 9, 7});
}

TEST(Attention, SequencesDoNotSeeEachOther) {
  OpCase batch;
  batch.input(tensor(4, 1, {0, 0, 0, 0}))
      .input(tensor(4, 1, {1, 2, 3, 4}))
      .input(tensor(4, 1, {2, 4, 10, 20}));
  expect_near(batch.run(OpKind::kAttention, attention(1, 1, 2, 0, 0, 0)), 4, 1, {2, 3, 10, 15});
}

TEST(Attention, SoftmaxOfScores) {
  OpCase scores;
  scores.input(tensor(2, 1, {0, 1})).input(tensor(2, 1, {1, 2})).input(tensor(2, 1, {0, 1}));
  const float p = std::exp(2.0F) / (std::exp(1.0F) + std::exp(2.0F));
  expect_near(scores.run(OpKind::kAttention, attention(1, 1, 2, 0, 0, 0)), 2, 1, {0, p});
}

TEST(Attention, GroupsOfQueryHeadsShareAKeyHead) {
  OpCase grouped;  // four query heads over two key/value heads
  grouped.input(tensor(1, 4, {0, 0, 0, 0})).input(tensor(1, 2, {1, 1})).input(tensor(1, 2, {5, 7}));
  expect_near(grouped.run(OpKind::kAttention, attention(4, 2, 1, 0, 0, 0)), 1, 4, {5, 5, 7, 7});
}

TEST(Attention, ReadsAndAppendsTheRingCache) {
  // Capacity 2, window 2, past 3: position 2 lies in row 0; position 3 goes to row 1.
  KvStore kv;
  kv["in3"] = tensor(2, 1, {20, 10});
  kv["in4"] = tensor(2, 1, {200, 100});
  OpCase cached;
  cached.input(tensor(1, 1, {0})).input(tensor(1, 1, {30})).input(tensor(1, 1, {300}));
  cached.input(Tensor(2, 1), DType::kFp32, SymbolRole::kKvCache)
      .input(Tensor(2, 1), DType::kFp32, SymbolRole::kKvCache);
  expect_near(cached.run(OpKind::kAttention, attention(1, 1, 1, 3, 2, 2), &kv, 3), 1, 1, {250});
  EXPECT_EQ(kv.at("in3").values, (std::vector<float>{20, 30}));
  EXPECT_EQ(kv.at("in4").values, (std::vector<float>{200, 300}));
}

TEST(Attention, OperandsThatDoNotFit) {
  const Tensor row = tensor(1, 1, {0});
  EXPECT_HAS(OpCase().input(row).input(row).input(row).error(OpKind::kAttention, attention(1, 1, 1, 4, 0, 0)),
             "there is no cache");
  EXPECT_HAS(OpCase().input(row).input(row).input(row).input(row).error(OpKind::kAttention,
                                                                        attention(1, 1, 1, 0, 0, 0)),
             "no value cache");
  EXPECT_HAS(OpCase()
                 .input(tensor(1, 3, {0, 0, 0}))
                 .input(row)
                 .input(row)
                 .error(OpKind::kAttention, attention(3, 2, 1, 0, 0, 0)),
             "do not divide");
  EXPECT_HAS(
      OpCase().input(row).input(row).input(row).error(OpKind::kAttention, attention(1, 1, 1, 0, 0, 4, 0)),
      "needs causal");
  OpCase small;
  small.input(row)
      .input(row)
      .input(row)
      .input(row, DType::kFp32, SymbolRole::kKvCache)
      .input(row, DType::kFp32, SymbolRole::kKvCache);
  EXPECT_HAS(small.error(OpKind::kAttention, attention(1, 1, 1, 4, 1, 0)),
             "a cache of 1 rows a sequence is too small for 5");
}

// ------------------------------------------------------------------------------------------------ all
// operators

TEST(EveryOperator, CountsItsOperandsAndAttributes) {
  const Tensor row = tensor(1, 1, {0});
  EXPECT_HAS(OpCase().input(row).error(OpKind::kLinear), "has 1 operands, the operator takes 2 to 3");
  EXPECT_HAS(OpCase().input(row).error(OpKind::kAdd), "has 1 operands, the operator takes 2");
  EXPECT_HAS(OpCase().input(row).input(row).error(OpKind::kRmsNorm), "the operator takes [eps]");
  EXPECT_HAS(OpCase().input(row).error(OpKind::kTopK, {{"k", 1.0}}), "attribute k must be an integer");
  EXPECT_HAS(OpCase().input(row).input(row).error(OpKind::kRmsNorm, {{"eps", 1L}}),
             "attribute eps must be a real number");
}

TEST(EveryOperator, NameGoesBackToTheKind) {
#define RDU_OP(enumerator, name)                \
  EXPECT_EQ(op_name(OpKind::enumerator), name); \
  EXPECT_EQ(op_from_name(name), OpKind::enumerator);
#include "compiler/ops/ops.def"
#undef RDU_OP
  EXPECT_EQ(op_from_name("matmul"), std::nullopt);
}

TEST(Transpose, TurnsTheRowsOfEachSequence) {
  expect_near(OpCase().input(tensor(4, 2, {1, 2, 3, 4, 5, 6, 7, 8})).run(OpKind::kTranspose), 4, 2,
              {1, 3, 2, 4, 5, 7, 6, 8});
  EXPECT_NE(
      OpCase().input(tensor(3, 2, {1, 2, 3, 4, 5, 6})).error(OpKind::kTranspose).find("whole sequences"),
      std::string::npos);
}

TEST(Mul, ATableRepeats) {
  const Tensor table = tensor(2, 1, {10, 100});
  expect_near(OpCase().input(tensor(4, 1, {1, 2, 3, 4})).input(table).run(OpKind::kMul), 4, 1,
              {10, 200, 30, 400});
}

}  // namespace
}  // namespace rdusim::compiler
