// Memo and interpolation of pass costs.
#include "runtime/memo_execution.h"

#include <gtest/gtest.h>

#include "tests/support/table_node.h"

namespace rdusim::runtime {
namespace {

TEST(RuntimeMemoExecution, DecodeOfALinearStepIsExact) {
  TableNode node;
  TableNode reference;
  MemoisedExecution memo(node, {"small"}, {});
  for (const auto& [context, steps] : std::vector<std::pair<int64_t, int64_t>>{{1, 1},
                                                                               {1, 63},
                                                                               {5, 100},
                                                                               {63, 2},
                                                                               {64, 1},
                                                                               {64, 64},
                                                                               {100, 5000},
                                                                               {127, 1},
                                                                               {128, 1},
                                                                               {4096, 17}}) {
    const auto fast = memo.decode(0, 1, context, steps);
    ASSERT_TRUE(fast.ok());
    EXPECT_EQ(fast->time, reference.decode("small", 1, context, steps)->time) << context << " + " << steps;
    EXPECT_EQ(fast->bytes[static_cast<size_t>(Wire::kHbm)][static_cast<size_t>(Cause::kWeights)],
              100 * steps);
  }
}

// A node whose chunks cost 7 ps a token and 1 ps for each token cached before them.
class ChunkNode : public TableNode {
 public:
  Result<PassCost> prefill_after(const std::string&, int64_t cached, int64_t tokens) override {
    ++chunks;
    return PassCost{Picoseconds(7 * tokens + cached), {}};
  }
  int64_t chunks = 0;
};

TEST(RuntimeMemoExecution, ChunksLieOnALineBetweenFewAnchorsOfCachedTokens) {
  ChunkNode node;
  MemoisedExecution memo(node, {"small"}, {});
  for (int64_t cached = 1; cached <= 2048; cached += 11)
    EXPECT_EQ(memo.prefill_after(0, cached, 512)->time.value, 7 * 512 + cached) << cached;
  EXPECT_EQ(node.chunks, 7);  // 1, 64, 128, 256, 512, 1024, 2048
  EXPECT_EQ(node.calls, 0);   // no prompt is priced for them
  EXPECT_EQ(memo.prefill_after(0, 64, 512)->time.value, 7 * 512 + 64);
  EXPECT_EQ(node.chunks, 7);
}

TEST(RuntimeMemoExecution, NoStepsCostNothing) {
  TableNode node;
  MemoisedExecution memo(node, {"small"}, {});
  EXPECT_EQ(memo.decode(0, 1, 7, 0)->time.value, 0);
  EXPECT_EQ(node.calls, 0);
}

TEST(RuntimeMemoExecution, EachShapeIsPricedOnce) {
  TableNode node;
  MemoisedExecution memo(node, {"small", "large"}, {});
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(memo.prefill(0, 1, 100).ok());
    ASSERT_TRUE(memo.prefill(1, 1, 100).ok());
    ASSERT_TRUE(memo.embed(0, 2, 100).ok());
    ASSERT_TRUE(memo.decode(0, 1, 100, 20).ok());
    ASSERT_TRUE(memo.nearest_neighbours(10, 4, 1, 3, 2).ok());
  }
  EXPECT_EQ(node.calls, 1 + 1 + 1 + 2 + 1);
  EXPECT_EQ(memo.priced(), 6);
}

TEST(RuntimeMemoExecution, GridPromptsAreExactOnGridAndOnALine) {
  TableNode node;
  MemoisedExecution memo(node, {"small"}, {.exact_prompts = false});
  for (const int64_t tokens : {1, 127, 128, 129, 144, 1000, 1024, 1151, 14'050}) {
    EXPECT_EQ(memo.prefill(0, 1, tokens)->time.value, 10 * tokens) << tokens;
  }
}

TEST(RuntimeMemoExecution, ManyPromptLengthsPriceFewShapes) {
  TableNode node;
  MemoisedExecution memo(node, {"small"}, {.exact_prompts = false});
  for (int64_t tokens = 128; tokens < 16'384; ++tokens) ASSERT_TRUE(memo.prefill(0, 1, tokens).ok());
  EXPECT_EQ(memo.priced(), 7 * 8 + 1);  // seven octaves of eight, and the last one's end
}

// Chord of a parabola over an eighth of an octave: within 1/256 of the quadratic part.
TEST(RuntimeMemoExecution, InterpolationErrorOfAQuadraticPrefill) {
  class Quadratic final : public TableNode {
   public:
    Result<PassCost> prefill(const std::string&, int64_t, int64_t tokens) override {
      return PassCost{Picoseconds(tokens * tokens * 1000), {}};
    }
  } node;
  MemoisedExecution memo(node, {"small"}, {.exact_prompts = false});
  for (int64_t tokens = 129; tokens < 5000; tokens += 7) {
    const double exact = static_cast<double>(tokens * tokens) * 1000;
    const double fast = static_cast<double>(memo.prefill(0, 1, tokens)->time.value);
    EXPECT_GE(fast, exact - 1);
    EXPECT_LE(fast, exact * (1 + 1.0 / 256));
  }
}

TEST(RuntimeMemoExecution, ErrorsPassThrough) {
  TableNode node;
  MemoisedExecution memo(node, {"unheard-of"}, {});
  EXPECT_EQ(memo.prefill(0, 1, 1).error().what, "no model unheard-of");
  EXPECT_EQ(memo.decode(0, 1, 1, 1).error().what, "no model unheard-of");
}

}  // namespace
}  // namespace rdusim::runtime
