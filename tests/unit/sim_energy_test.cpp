// Executed operations, counted by hand, and what they cost.
#include <gtest/gtest.h>

#include "sim/energy.h"
#include "sim/simulator.h"
#include "tests/support/program_builder.h"
#include "tests/support/small_chip.h"

namespace rdusim::sim {
namespace {

using namespace rdusim::testing;  // NOLINT: builder words

// 3 row blocks of 4 x 16 times 8 weight rows in two tokens of 4; then max(x, 0) and a row sum.
Program small_gemm() {
  ProgramBuilder b;
  const ArgumentId x = b.symbol("x", 12, 16, DType::kBf16, {}, Tier::kHbm, Cause::kActivations);
  const ArgumentId w = b.symbol("w", 8, 16, DType::kBf16);
  const ArgumentId y = b.symbol("y", 12, 1, DType::kFp32, {}, Tier::kDdr, Cause::kActivations);
  const ChannelId cx = b.channel("x", 4, 16, 2, 0, DType::kBf16);
  const ChannelId cw = b.channel("w", 4, 16, 2, 6, DType::kBf16);
  const ChannelId cg = b.channel("g", 4, 8);
  const ChannelId cy = b.channel("y", 4, 1);
  b.section().channels[cw.value].links = 1;
  b.load("x.load", x, 4, {cx});
  Unit& weights = b.load("w.load", w, 4, {cw});
  weights.stream->repeats = 3;
  weights.firings = 6;
  b.compute("gemm", UnitKind::kGemm, 6, {in(cx, {2, 0, 1}), in(cw)}, {matmul(0, 1, true)},
            {out({cg}, 2, {2, 1, 2}, Accumulate::kConcatCols, 2)});
  b.compute("sum", UnitKind::kSimd, 3, {in(cg)},
            {op(TileOpKind::kMaxScalar, {0}), op(TileOpKind::kExp, {1}), op(TileOpKind::kRowSum, {2})},
            {out({cy}, 3)});
  b.store("y.store", y, 4, cy);
  return b.finish(2);
}

constexpr size_t at(WorkKind kind) {
  return static_cast<size_t>(kind);
}

void expect_counts(const RunResult& r) {
  EXPECT_EQ(r.gemm_work[at(WorkKind::kMac16)], 2 * 12 * 8 * 16);
  EXPECT_EQ(r.gemm_work[at(WorkKind::kMac32)], 0);
  EXPECT_EQ(r.simd_work[at(WorkKind::kMap)], 2 * 12 * 8);
  EXPECT_EQ(r.simd_work[at(WorkKind::kTail)], 2 * 12 * 8);
  EXPECT_EQ(r.simd_work[at(WorkKind::kReduce)], 2 * 12 * 8);
  // The gemm reads each row block for both weight tokens, and each weight token; the sum what the gemm gave;
  // the store what it stores.
  EXPECT_EQ(r.operand_bytes[static_cast<size_t>(Cause::kActivations)],
            2 * (2 * 12 * 16 * 2 + 12 * 8 * 4 + 12 * 1 * 4));
  EXPECT_EQ(r.operand_bytes[static_cast<size_t>(Cause::kWeights)], 2 * 3 * 8 * 16 * 2);
  // 6 cycles at 2 a hop.
  EXPECT_EQ(r.rdn_byte_hops[static_cast<size_t>(Cause::kWeights)], 2 * 3 * (3 * 8 * 16 * 2));
}

TEST(Energy, OperationsAreCountedAsExecuted) {
  const Program p = small_gemm();
  const NodeSpec node = small_node(1);
  for (const bool fast : {true, false}) {
    RunOptions options;
    options.fast_forward = fast;
    auto r = run(p, node, node.stacks[0], options);
    ASSERT_TRUE(r.ok()) << r.error().to_string();
    expect_counts(*r);
  }
  MemoryImage image(p);
  auto values = run(p, node, node.stacks[0], {Fidelity::kEvent, &image, nullptr, 0});
  ASSERT_TRUE(values.ok());
  expect_counts(*values);
  auto closed = run(p, node, node.stacks[0], {Fidelity::kAnalytic, nullptr, nullptr, 0});
  ASSERT_TRUE(closed.ok());
  expect_counts(*closed);
}

TEST(Energy, IsTheSumOfCountsTimesTheirEnergy) {
  const Program p = small_gemm();
  const NodeSpec node = small_node(1);
  auto r = run(p, node, node.stacks[0], {});
  ASSERT_TRUE(r.ok());
  EnergySpec spec;
  spec.mac_16bit_pj = 1;
  spec.map_pj = 10;
  spec.ddr_pj_per_byte = 100;
  const Energy e = energy_of(*r, spec);
  EXPECT_DOUBLE_EQ(e.of_part(EnergyPart::kGemm), 2 * 12 * 8 * 16 * 1e-12);
  EXPECT_DOUBLE_EQ(e.of_part(EnergyPart::kSimd), 2 * 12 * 8 * 10e-12);
  EXPECT_DOUBLE_EQ(e.of_part(EnergyPart::kDdr), 2 * 12 * 4 * 100e-12);
  EXPECT_DOUBLE_EQ(e.of_cause(kEnergyCompute), e.of_part(EnergyPart::kGemm) + e.of_part(EnergyPart::kSimd));
  EXPECT_DOUBLE_EQ(e.of_cause(static_cast<size_t>(Cause::kActivations)), e.of_part(EnergyPart::kDdr));
  EXPECT_EQ(e.of_part(EnergyPart::kStatic), 0);
}

TEST(Energy, NamesAreDistinct) {
  EXPECT_EQ(energy_part_name(EnergyPart::kStatic), "static");
  EXPECT_EQ(energy_cause_name(kEnergyCompute), "compute");
  EXPECT_EQ(energy_cause_name(static_cast<size_t>(Cause::kWeights)), "weights");
}

}  // namespace
}  // namespace rdusim::sim
