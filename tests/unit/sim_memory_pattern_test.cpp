// What pattern a section's streams make, and that the table's efficiency slows both fidelities by as much.
#include "sim/memory_pattern.h"

#include <gtest/gtest.h>

#include "sim/simulator.h"
#include "tests/support/program_builder.h"
#include "tests/support/small_chip.h"

namespace rdusim::sim {
namespace {

using namespace rdusim::testing;  // NOLINT: builder words

// Loads of `rows` x 256 FP32 each, 4 rows a token, joined and stored once.
Program loads(const std::vector<int64_t>& rows) {
  ProgramBuilder b;
  for (size_t i = 0; i < rows.size(); ++i) {
    const std::string n = std::to_string(i);
    const ChannelId c = b.channel("c" + n, 4, 256, 8);
    const ChannelId d = b.channel("d" + n, 4, 256);
    b.load("load" + n, b.symbol("x" + n, rows[i], 256), 4, {c});
    b.compute("sum" + n, UnitKind::kBuffer, rows[i] / 4, {in(c)}, {},
              {out({d}, 0, {rows[i] / 4, rows[i] / 4 - 1, rows[i] / 4}, Accumulate::kSum, rows[i] / 4)}, 64);
    b.store("store" + n, b.symbol("y" + n, 4, 256), 4, d);
  }
  return b.finish();
}

MemoryPattern pattern_of(const Program& program) {
  return memory_patterns(program, program.sections[0], program.launches[0])[static_cast<size_t>(Tier::kHbm)];
}

TEST(MemoryPattern, OneStreamAndItsSmallStore) {
  const MemoryPattern p = pattern_of(loads({400}));
  // 409600 bytes read, 4096 written, in turns of 4096.
  EXPECT_DOUBLE_EQ(p.write_share, 1.0 / 101);
  EXPECT_DOUBLE_EQ(p.granule_bytes, 4096);
  EXPECT_DOUBLE_EQ(p.streams, 101.0 * 101 / (100 * 100 + 1));
}

TEST(MemoryPattern, EqualStreamsCountEachUnequalOnesLess) {
  EXPECT_NEAR(pattern_of(loads({400, 400, 400, 400})).streams, 4, 0.1);
  const double unequal = pattern_of(loads({4000, 40, 40, 40})).streams;
  EXPECT_GT(unequal, 1);
  EXPECT_LT(unequal, 1.1);
}

TEST(MemoryPattern, PiecesOfRowsAreTheirOwnRuns) {
  ProgramBuilder b;
  const ArgumentId x = b.symbol("x", 100, 256);
  const ChannelId a = b.channel("a", 100, 64);
  b.load("load", x, 100, {a}).stream->cols = 64;
  b.store("store", b.symbol("y", 100, 64), 100, a);
  // 25600 bytes in runs of 256 B, as many in one run.
  EXPECT_DOUBLE_EQ(pattern_of(b.finish()).granule_bytes, (256 + 25600) / 2.0);
}

int64_t cycles(const Program& program, const NodeSpec& node, Fidelity fidelity, bool fast_forward) {
  RunOptions options{fidelity, nullptr, nullptr, 0};
  options.fast_forward = fast_forward;
  const auto result = run(program, node, node.stacks[0], options);
  EXPECT_TRUE(result.ok()) << (result.ok() ? "" : result.error().to_string());
  return result.ok() ? result->cycles : 0;
}

TEST(MemoryPattern, HalfTheEfficiencyTakesTwiceTheTime) {
  MemoryService half;
  half.streams = {1};
  half.granule_bytes = {512};
  half.write_shares = {0};
  half.efficiency = {0.5};
  NodeSpec plain = small_node(1);
  plain.chip.hbm.latency_ns = 0;
  NodeSpec slow = plain;
  slow.chip.hbm.service = std::make_shared<const MemoryService>(half);
  const Program program = loads({40'000});
  for (const Fidelity fidelity : {Fidelity::kEvent, Fidelity::kAnalytic}) {
    const auto before = static_cast<double>(cycles(program, plain, fidelity, true));
    EXPECT_NEAR(static_cast<double>(cycles(program, slow, fidelity, true)) / before, 2, 0.01);
  }
  EXPECT_EQ(cycles(loads({400}), slow, Fidelity::kEvent, true),
            cycles(loads({400}), slow, Fidelity::kEvent, false));
}

}  // namespace
}  // namespace rdusim::sim
