// Fast-forward is exact: with it and without, a run says the same in every counter.
#include <gtest/gtest.h>

#include "base/program/program_text.h"
#include "sim/simulator.h"
#include "tests/support/random_program.h"
#include "tests/support/run_equality.h"
#include "tests/support/small_chip.h"

namespace rdusim::sim {
namespace {

using namespace rdusim::testing;  // NOLINT: builder words

Result<RunResult> timed(const Program& p, const NodeSpec& node, bool fast_forward) {
  RunOptions options;
  options.fast_forward = fast_forward;
  return run(p, node, node.stacks[0], options);
}

// Runs both ways and compares; returns what was skipped within launches and by repeating them.
int64_t expect_exact(const Program& p, const NodeSpec& node) {
  auto full = timed(p, node, false);
  auto fast = timed(p, node, true);
  EXPECT_EQ(full.ok(), fast.ok());
  if (!full.ok() || !fast.ok()) {
    if (!full.ok() && !fast.ok()) {
      EXPECT_EQ(full.error().to_string(), fast.error().to_string());
    }
    return 0;
  }
  expect_same_run(*full, *fast);
  EXPECT_EQ(full->firings_skipped, 0);
  return fast->firings_skipped;
}

NodeSpec node_of(const Program& p) {
  NodeSpec node = small_node(p.sockets);
  node.stacks[0].hardware_launch_s = 0.5e-6;
  return node;
}

TEST(FastForward, RandomProgramsSayTheSameInEveryCounter) {
  ProgramGenerator generator(4711);
  for (int trial = 0; trial < 250; ++trial) {
    Program p = generator.make().program;
    if (trial % 2 == 1) p = with_links_and_tiers(std::move(p), static_cast<uint64_t>(trial));
    SCOPED_TRACE(::testing::Message() << "trial " << trial << "\n" << print_program(p));
    expect_exact(p, node_of(p));
    if (HasFailure()) break;
  }
}

// Long enough to become periodic. Rates that divide the tokens' bytes, and rates that do not.
TEST(FastForward, LongRandomProgramsSkipPeriodsAndSayTheSame) {
  ProgramGenerator generator(12, 300);
  int64_t skipped = 0;
  int64_t all = 0;
  for (int trial = 0; trial < 150; ++trial) {
    Program p = generator.make().program;
    p.launches.resize(1);
    if (trial % 4 >= 2) p = with_links_and_tiers(std::move(p), static_cast<uint64_t>(trial));
    SCOPED_TRACE(::testing::Message() << "trial " << trial << "\n" << print_program(p));
    NodeSpec node = node_of(p);
    if (trial % 2 == 1) node.chip.hbm.bandwidth_bytes_per_s = 1.023e12;
    if (trial % 3 == 1) node.link.bandwidth_bytes_per_s = 0.97e11;
    skipped += expect_exact(p, node);
    for (const Unit& unit : p.sections[0].units) all += unit.firings;
    if (HasFailure()) break;
  }
  std::printf("skipped %.0f %% of the firings\n",
              100.0 * static_cast<double>(skipped) / static_cast<double>(all));
  EXPECT_GT(skipped, all / 5);
}

Program chain(int64_t tokens, int64_t cols, int64_t per_token) {
  ProgramBuilder b;
  const ArgumentId x = b.symbol("x", tokens * per_token, cols);
  const ArgumentId y = b.symbol("y", tokens * per_token, cols);
  ChannelId at = b.channel("c0", per_token, cols, 4, 8);
  b.load("load", x, per_token, {at});
  for (int i = 0; i < 4; ++i) {
    const ChannelId next = b.channel("c" + std::to_string(i + 1), per_token, cols, 4, 8, DType::kFp32, 0);
    b.compute("u" + std::to_string(i), UnitKind::kSimd, tokens, {in(at)},
              {op(TileOpKind::kMulScalar, {0}, 0, 0, 2), op(TileOpKind::kAdd, {0, 1})}, {out({next}, 2)});
    at = next;
  }
  b.store("store", y, per_token, at);
  return b.finish();
}

TEST(FastForward, SkipsNearlyAllOfALongStreamThatAUnitBinds) {
  const Program p = chain(50'000, 1024, 1);
  const int64_t skipped = expect_exact(p, node_of(p));
  EXPECT_GT(skipped, 6 * 49'900);
}

TEST(FastForward, ARaggedLastTokenIsNotSkippedOver) {
  Program p = chain(2000, 256, 3);
  for (Symbol& s : p.symbols) s.rows = s.full_rows = 5999;
  for (Unit& u : p.sections[0].units) {
    if (u.stream) u.stream->rows = 5999;
  }
  EXPECT_GT(expect_exact(p, node_of(p)), 0);
}

// The load goes over its rows twice; the last token of each time is smaller, also the one in the middle of
// the run.
TEST(FastForward, ARaggedTokenInTheMiddleIsNotSkippedOver) {
  Program p = chain(2000, 256, 3);
  for (Symbol& s : p.symbols) s.rows = s.full_rows = s.name == "x" ? 2999 : 5998;
  for (Unit& u : p.sections[0].units) {
    if (!u.stream) continue;
    u.stream->rows = 2999;
    (u.kind == UnitKind::kLoad ? u.stream->repeats : u.stream->segments) = 2;
    u.stream->stride = u.kind == UnitKind::kLoad ? 0 : 2999;
  }
  EXPECT_GT(expect_exact(p, node_of(p)), 6 * 1500);
}

TEST(FastForward, GrowingWorkIsSimulatedInFull) {
  ProgramBuilder b;
  const ArgumentId x = b.symbol("x", 400, 64);
  const ArgumentId y = b.symbol("y", 400, 64);
  const ChannelId c0 = b.channel("c0", 1, 64);
  const ChannelId grown = b.channel("grown", 400, 64);
  const ChannelId c1 = b.channel("c1", 1, 64);
  b.load("load", x, 1, {c0});
  b.compute("buffer", UnitKind::kBuffer, 400, {in(c0)}, {},
            {out({grown}, 0, {}, Accumulate::kConcatRows, 400)}, 4);
  b.compute("sum", UnitKind::kSimd, 400, {in(grown)}, {op(TileOpKind::kColSum, {0})}, {out({c1}, 1)});
  b.store("store", y, 1, c1);
  const Program p = b.finish();
  EXPECT_EQ(expect_exact(p, node_of(p)), 0);
}

TEST(FastForward, AFailureIsReportedAsWithoutIt) {
  Program p = chain(10, 64, 1);
  p.sections[0].channels[2].capacity_tokens = 1;
  p.sections[0].units.back().stream->cols = 32;
  auto fast = timed(p, node_of(p), true);
  auto full = timed(p, node_of(p), false);
  ASSERT_FALSE(fast.ok());
  EXPECT_EQ(fast.error().to_string(), full.error().to_string());
}

TEST(FastForward, RepeatedLaunchesCountAsSkipped) {
  Program p = chain(10, 64, 1);
  p.launches.assign(5, p.launches[0]);
  for (Symbol& s : p.symbols) s.last_step = 4;
  auto fast = timed(p, node_of(p), true);
  auto full = timed(p, node_of(p), false);
  ASSERT_TRUE(fast.ok() && full.ok());
  EXPECT_EQ(fast->firings_simulated + fast->firings_skipped, full->firings_simulated);
  EXPECT_LE(fast->firings_simulated, full->firings_simulated / 5);
  expect_same_run(*full, *fast);
}

}  // namespace
}  // namespace rdusim::sim
