// What a firing reads of its tokens, and how fast.
#include "base/program/operand_reads.h"

#include <gtest/gtest.h>

#include "base/program/service.h"
#include "tests/support/program_builder.h"
#include "tests/support/small_chip.h"

namespace rdusim {
namespace {

using namespace rdusim::testing;  // NOLINT: builder words

// load -> c0 -> buffer -> c1 -> gemm, load -> c2 -> gemm -> c3 -> store.
Section section() {
  ProgramBuilder b;
  const ArgumentId x = b.symbol("x", 64, 32);
  const ArgumentId w = b.symbol("w", 64, 32);
  const ArgumentId y = b.symbol("y", 64, 16);
  for (const char* name : {"c0", "c1", "c2", "c3"}) b.channel(name, 16, 32, 2, 0, DType::kBf16, 3);
  b.load("x.load", x, 16, {ChannelId(0)});
  b.compute("buffer", UnitKind::kBuffer, 4, {in(ChannelId(0))}, {}, {out({ChannelId(1)}, 0)}, 5);
  b.load("w.load", w, 16, {ChannelId(2)});
  b.compute("gemm", UnitKind::kGemm, 4, {in(ChannelId(1)), in(ChannelId(2))}, {matmul(0, 1, true)},
            {out({ChannelId(3)}, 2)}, 2);
  b.store("store", y, 16, ChannelId(3));
  Section s = b.section();
  for (Channel& c : s.channels) c.links = 2;
  s.channels[1].pmus = 0;  // views of the buffer
  return s;
}

TEST(OperandReads, ComeFromTheChannelsPmusOrTheBuffers) {
  Section s = section();
  const ChipSpec chip = small_chip();
  EXPECT_EQ(operand_rates(s, chip), (std::vector<int64_t>{0, 5 * 64, 3 * 64, 0}));
  s.channels[2].read_permille = 500;
  EXPECT_EQ(operand_rates(s, chip)[2], 3 * 64 / 2);
  s.channels[2].links = 0;  // does not cross the RDN
  s.channels[1].links = 0;
  EXPECT_EQ(operand_rates(s, chip), (std::vector<int64_t>{0, 0, 0, 0}));
}

TEST(OperandReads, ViewsLeaveTheirBufferWithoutCrossing) {
  const Section s = section();
  const ChipSpec chip = small_chip();
  const auto rates = operand_rates(s, chip);
  EXPECT_EQ(write_rate(s.channels[0], rates[0], chip), 128);  // to the buffer
  EXPECT_EQ(write_rate(s.channels[1], rates[1], chip), 0);
  EXPECT_EQ(write_rate(s.channels[2], rates[2], chip), 128);
}

TEST(OperandReads, TheSlowestOperandSetsTheTime) {
  const Section s = section();
  const auto rates = operand_rates(s, small_chip());
  const Unit& gemm = s.units[3];
  const std::vector<Extent> registers = {{48, 64, 0, 0}, {16, 64, 0, 0}, {48, 16, 0, 0}};
  // 48 x 64 BF16 over 320 B a cycle; 16 x 64 over 192.
  EXPECT_EQ(operand_cycles(s, gemm, {true, true, true}, registers, rates), 20);
  EXPECT_EQ(operand_cycles(s, gemm, {false, true, true}, registers, rates), 11);
}

TEST(OperandReads, OfASlicedTokenTheSlice) {
  Unit unit;
  unit.inputs = {in(ChannelId(0)), in(ChannelId(1))};
  unit.body = {op(TileOpKind::kSliceColsByFiring, {1}, 8, 4), op(TileOpKind::kAdd, {0, 2})};
  unit.outputs = {out({ChannelId(2)}, 3)};
  const std::vector<bool> needed(4, true);
  const std::vector<Extent> registers = {{4, 8, 0, 0}, {4, 32, 0, 0}, {4, 8, 0, 0}, {4, 8, 0, 0}};
  EXPECT_EQ(operand_elements(unit, needed, registers, 0), 32);
  EXPECT_EQ(operand_elements(unit, needed, registers, 1), 32);
  EXPECT_EQ(operand_elements(unit, {true, false, true, true}, registers, 1), 0);
  unit.body.push_back(op(TileOpKind::kNeg, {1}));  // needs all of it
  unit.outputs.push_back(out({ChannelId(3)}, 4));
  const std::vector<Extent> more = {{4, 8, 0, 0}, {4, 32, 0, 0}, {4, 8, 0, 0}, {4, 8, 0, 0}, {4, 32, 0, 0}};
  EXPECT_EQ(operand_elements(unit, std::vector<bool>(5, true), more, 1), 128);
  unit.body.pop_back();
  unit.outputs[1].source = 1;  // leaves as it came
  EXPECT_EQ(operand_elements(unit, needed, registers, 1), 128);
}

TEST(OperandReads, ResultsOfAFiringComeOverTheBlocksOfItsLastPass) {
  const PcuSpec pcu = small_chip().pcu;
  Unit unit;
  unit.kind = UnitKind::kSimd;
  unit.pcus = 1;
  unit.inputs = {in(ChannelId(0))};
  unit.body = {op(TileOpKind::kNeg, {0})};
  unit.outputs = {out({ChannelId(1)}, 1)};
  const std::vector<Extent> tile(2, Extent{25, 256, 0, 0});
  EXPECT_EQ(compute_cycles(unit, pcu, {true, true}, tile).result_cycles, 199);  // 200 vectors
  // One tile of the systolic array: its results leave together.
  unit.kind = UnitKind::kGemm;
  unit.inputs.push_back(in(ChannelId(2)));
  unit.body = {matmul(0, 1, true)};
  const std::vector<Extent> product = {{32, 64, 0, 0}, {6, 64, 0, 0}, {32, 6, 0, 0}};
  EXPECT_EQ(compute_cycles(unit, pcu, {true, true, true}, product).result_cycles, 0);
  const std::vector<Extent> two = {{32, 64, 0, 0}, {12, 64, 0, 0}, {32, 12, 0, 0}};
  EXPECT_EQ(compute_cycles(unit, pcu, {true, true, true}, two).result_cycles, 64);
}

}  // namespace
}  // namespace rdusim
