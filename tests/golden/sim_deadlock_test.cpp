// Deadlock reports, word for word, and that the pool of processes works after them.
#include <gtest/gtest.h>

#include "sim/simulator.h"
#include "tests/support/program_builder.h"
#include "tests/support/small_chip.h"

namespace rdusim::sim {
namespace {

using namespace rdusim::testing;  // NOLINT: builder words

// A fork whose one branch needs all four tokens before it gives any, while the other branch can hold
// `capacity`.
Program fork_join(int64_t capacity) {
  ProgramBuilder b;
  const ArgumentId x = b.symbol("x", 4, 8);
  const ArgumentId y = b.symbol("y", 4, 8);
  const ChannelId a = b.channel("a", 1, 8);
  const ChannelId slow = b.channel("slow", 1, 8);
  const ChannelId direct = b.channel("direct", 1, 8, capacity);
  const ChannelId sum = b.channel("sum", 1, 8);
  const ChannelId c = b.channel("c", 1, 8);
  b.load("load", x, 1, {a});
  b.compute("fork", UnitKind::kBuffer, 4, {in(a)}, {}, {out({slow, direct}, 0)});
  b.compute("total", UnitKind::kSimd, 4, {in(slow)}, {op(TileOpKind::kNeg, {0})},
            {out({sum}, 1, {4, 3, 4}, Accumulate::kSum, 4)});
  b.compute("join", UnitKind::kSimd, 4, {in(sum, {4, 0, 1}), in(direct)}, {op(TileOpKind::kAdd, {0, 1})},
            {out({c}, 2)});
  b.store("store", y, 1, c);
  return b.finish();
}

TEST(SimDeadlock, NamesTheCycleAndEveryFill) {
  const NodeSpec node = small_node(1);
  auto result = run(fork_join(2), node, node.stacks[0], {});
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, ErrorCode::kDeadlock);
  EXPECT_EQ(result.error().to_string(),
            "section main: error: deadlock: fork waits for space on channel direct to join; join waits for a "
            "token on channel "
            "sum from total; total waits for a token on channel slow from fork\n"
            "  hint: channel fill: a 1/2 slow 0/2 direct 2/2 sum 0/2 c 0/2; a deeper channel on the cycle "
            "may resolve it");
}

TEST(SimDeadlock, EnoughCapacityResolvesItAndTheFabricIsUsableAfter) {
  const NodeSpec node = small_node(1);
  for (int i = 0; i < 3; ++i) {
    EXPECT_FALSE(run(fork_join(3), node, node.stacks[0], {}).ok());
    auto result = run(fork_join(4), node, node.stacks[0], {});
    ASSERT_TRUE(result.ok()) << result.error().to_string();
    EXPECT_EQ(result->firings_simulated, 20);
  }
}

TEST(SimDeadlock, MisfittingTokensNameUnitAndOperation) {
  Program p = fork_join(4);
  p.sections[0].units[3].body[0] = op(TileOpKind::kReshape, {0}, 3);
  const NodeSpec node = small_node(1);
  auto result = run(p, node, node.stacks[0], {});
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().to_string(),
            "section main, unit join, operation 0 (reshape): error: operands [1,8] do not fit: elements must "
            "divide into the "
            "new columns\n  hint: row-major reinterpretation with ints[0] columns");
}

TEST(SimDeadlock, ProgramThatDoesNotFitTheNode) {
  const NodeSpec node = small_node(1);
  Program p = fork_join(4);
  p.sockets = 2;
  auto result = run(p, node, node.stacks[0], {});
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().to_string(),
            "program test: error: needs 2 sockets, node small has 1\n  hint: compile it for fewer sockets");
  p = fork_join(4);
  p.tiers[static_cast<size_t>(Tier::kHbm)].bytes = int64_t{1} << 40;
  result = run(p, node, node.stacks[0], {});
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, ErrorCode::kCapacity);
}

}  // namespace
}  // namespace rdusim::sim
