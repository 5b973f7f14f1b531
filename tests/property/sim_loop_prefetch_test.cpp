// Looping launches that prefetch, over random programs: fast-forward is exact, nothing but time changes, and
// critical paths still add up.
#include <gtest/gtest.h>

#include <algorithm>

#include "base/program/loop_order.h"
#include "base/program/program_text.h"
#include "base/program/verify.h"
#include "sim/critical_path.h"
#include "sim/simulator.h"
#include "tests/support/random_program.h"
#include "tests/support/run_equality.h"
#include "tests/support/small_chip.h"

namespace rdusim::sim {
namespace {

using namespace rdusim::testing;  // NOLINT: builder words

// The program's first launch, looping over the same symbols.
Program looped(Program p, int64_t iterations, bool prefetch) {
  p.launches.resize(1);
  Launch& launch = p.launches[0];
  const std::vector<SymbolId> row = launch.bindings;
  for (int64_t i = 1; i < iterations; ++i)
    launch.bindings.insert(launch.bindings.end(), row.begin(), row.end());
  launch.iterations = iterations;
  launch.prefetch = prefetch;
  for (Symbol& s : p.symbols) s.last_step = iterations - 1;
  return p;
}

Result<RunResult> timed(const Program& p, bool fast_forward, Fidelity fidelity = Fidelity::kEvent) {
  const NodeSpec node = small_node(p.sockets);
  RunOptions options;
  options.fidelity = fidelity;
  options.fast_forward = fast_forward;
  return run(p, node, node.stacks[0], options);
}

struct Case {
  Program draining;
  Program prefetching;
};

std::vector<Case> cases(uint64_t seed, int count, int64_t blocks) {
  ProgramGenerator generator(seed, blocks);
  Random random(seed);
  std::vector<Case> all;
  while (static_cast<int>(all.size()) < count) {
    Program p = generator.make().program;
    if (random.below(2) == 1) p = with_links_and_tiers(std::move(p), random.below(1000));
    if (!repeats_evenly(p.sections[0])) continue;
    const auto iterations = static_cast<int64_t>(2 + random.below(12));
    Case c{looped(p, iterations, false), looped(p, iterations, true)};
    auto run = timed(c.draining, true);
    if (run.ok()) all.push_back(std::move(c));
  }
  return all;
}

TEST(LoopPrefetch, FastForwardSaysWhatEveryTokenThroughSystemCSays) {
  int64_t skipped = 0;
  for (const int64_t blocks : {int64_t{3}, int64_t{40}}) {
    for (const Case& c : cases(31, 90, blocks)) {
      SCOPED_TRACE(print_program(c.prefetching));
      auto full = timed(c.prefetching, false);
      auto fast = timed(c.prefetching, true);
      ASSERT_TRUE(full.ok()) << full.error().to_string();
      ASSERT_TRUE(fast.ok()) << fast.error().to_string();
      expect_same_run(*full, *fast);
      skipped += fast->firings_skipped;
      if (HasFailure()) return;
    }
  }
  EXPECT_GT(skipped, 0);
}

TEST(LoopPrefetch, NothingButTimeChanges) {
  double gain = 0;
  int count = 0;
  for (const Case& c : cases(32, 150, 12)) {
    SCOPED_TRACE(print_program(c.prefetching));
    auto draining = timed(c.draining, true);
    auto prefetching = timed(c.prefetching, true);
    ASSERT_TRUE(draining.ok() && prefetching.ok());
    EXPECT_EQ(draining->bytes, prefetching->bytes);
    EXPECT_EQ(draining->gemm_work, prefetching->gemm_work);
    EXPECT_EQ(draining->simd_work, prefetching->simd_work);
    EXPECT_EQ(draining->operand_bytes, prefetching->operand_bytes);
    EXPECT_EQ(draining->rdn_byte_hops, prefetching->rdn_byte_hops);
    ASSERT_EQ(prefetching->sections.size(), 1U);
    const SectionResult& section = prefetching->sections[0];
    EXPECT_EQ(section.iterations, c.prefetching.launches[0].iterations);
    EXPECT_EQ(section.runs, 1);
    // A transfer under way is not broken off: a later iteration's may hold up an earlier one's for a token.
    EXPECT_LE(static_cast<double>(prefetching->cycles), 1.02 * static_cast<double>(draining->cycles));
    gain += static_cast<double>(draining->cycles) / static_cast<double>(prefetching->cycles);
    ++count;
  }
  std::printf("mean gain of prefetching %.3f\n", gain / count);
  // Measured: 1.004. Toy weights are a few tokens, of which slots hold few.
  EXPECT_GT(gain / count, 1.002);
}

TEST(LoopPrefetch, ItsCriticalPathAddsUp) {
  for (const Case& c : cases(33, 25, 6)) {
    SCOPED_TRACE(print_program(c.prefetching));
    const NodeSpec node = small_node(c.prefetching.sockets);
    for (const Fidelity fidelity : {Fidelity::kEvent, Fidelity::kAnalytic}) {
      auto path = critical_path(c.prefetching, node, node.stacks[0], fidelity);
      ASSERT_TRUE(path.ok()) << path.error().to_string();
      int64_t cycles = 0;
      for (const int64_t of_kind : step_cycles(*path).cycles) cycles += of_kind;
      EXPECT_EQ(cycles, path->result.cycles);
    }
  }
}

TEST(LoopPrefetch, ProgramsPrintAndParseBack) {
  for (const Case& c : cases(34, 10, 6)) {
    const std::string text = print_program(c.prefetching);
    EXPECT_NE(text.find(" prefetch "), std::string::npos);
    auto back = parse_program(text, "program");
    ASSERT_TRUE(back.ok()) << back.error().to_string();
    EXPECT_EQ(*back, c.prefetching);
  }
}

// A stream of weights beside a pass over activations: what waits and what does not.
TEST(LoopPrefetch, ActivationsWaitForStoresBuffersForTheirReadersAndWeightsForNothing) {
  ProgramBuilder b;
  const auto x = b.symbol("x", 4, 16, DType::kBf16, {}, Tier::kHbm, Cause::kActivations);
  const auto w = b.symbol("w", 16, 16, DType::kBf16);
  const auto held = b.symbol("held", 4, 16, DType::kBf16);
  const auto y = b.symbol("y", 4, 16, DType::kBf16, {}, Tier::kHbm, Cause::kActivations);
  const auto cx = b.channel("cx", 4, 16);
  const auto cw = b.channel("cw", 4, 16);
  const auto ch = b.channel("ch", 4, 16);
  const auto view = b.channel("view", 4, 16);
  const auto cy = b.channel("cy", 4, 16);
  b.load("x.load", x, 4, {cx});
  b.load("w.load", w, 4, {cw});
  b.load("held.load", held, 4, {ch});
  b.compute("hold", UnitKind::kBuffer, 1, {in(ch)}, {}, {out({view}, 0)});
  b.compute("gemm", UnitKind::kGemm, 4, {in(cx, {4, 0, 1}), in(cw), in(view, {4, 0, 1})},
            {matmul(0, 1, true), op(TileOpKind::kAdd, {0, 2})}, {out({cy}, 4, {4, 3, 4})});
  b.store("store", y, 4, cy);
  const Program p = looped(b.finish(), 3, true);
  const std::vector<LoopWait> waits = loop_waits(p, p.launches[0]);
  EXPECT_EQ(waits[0], LoopWait::kStores);
  EXPECT_EQ(waits[1], LoopWait::kNothing);
  EXPECT_EQ(waits[2], LoopWait::kBufferReader);
  const auto order = loop_order(p, p.launches[0]);
  EXPECT_EQ(order[0], (std::vector<size_t>{5}));
  EXPECT_TRUE(order[1].empty());
  EXPECT_EQ(order[2], (std::vector<size_t>{4}));
  // Weights that an iteration stores are no longer free for the next.
  Program written = p;
  written.launches[0].bindings[y.value] = written.launches[0].bindings[w.value];
  EXPECT_EQ(loop_waits(written, written.launches[0])[1], LoopWait::kStores);
  // A port whose rhythm does not end with the section's run.
  Program uneven = p;
  uneven.sections[0].units[4].inputs[0].phases = {3, 0, 1};
  EXPECT_FALSE(repeats_evenly(uneven.sections[0]));
  EXPECT_TRUE(repeats_evenly(p.sections[0]));
}

}  // namespace
}  // namespace rdusim::sim
