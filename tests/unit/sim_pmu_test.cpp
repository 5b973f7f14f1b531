// The PMU's twin by hand: banks, ports, addresses, layouts and several PMUs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sim/pmu/pmu_model.h"
#include "sim/pmu/pmu_workload.h"
#include "tests/support/small_chip.h"

namespace rdusim::sim {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Port = PmuModel::Port;

// 16 banks of 32 KiB, lines of 64 B: 32 columns of 16 bits.
PmuGeometry geometry(std::vector<int> bits = {}) {
  auto g = pmu_geometry(rdusim::testing::small_chip().pmu, bits);
  EXPECT_TRUE(g.ok());
  return *g;
}

PmuResult run(const PmuWorkload& workload, const PmuGeometry& g = geometry()) {
  auto result = run_pmu_workload(g, workload);
  EXPECT_TRUE(result.ok()) << result.error().to_string();
  return *result;
}

TEST(PmuGeometry, BankBitsDefaultToTheTopmost) {
  EXPECT_THAT(geometry().bank_bits, ElementsAre(15, 16, 17, 18));
  EXPECT_THAT(geometry({6}).bank_bits, ElementsAre(6, 7, 8, 9));
  EXPECT_THAT(geometry({18, 6, 7, 10}).bank_bits, ElementsAre(6, 7, 10, 18));
}

TEST(PmuGeometry, BadBitsAreErrors) {
  const auto error = [](std::vector<int> bits) {
    auto g = pmu_geometry(rdusim::testing::small_chip().pmu, bits);
    return g.ok() ? std::string() : g.error().to_string();
  };
  EXPECT_THAT(error({6, 7}), HasSubstr("2 bits for 16 banks"));
  EXPECT_THAT(error({6, 7, 8, 8}), HasSubstr("a bit stands twice"));
  EXPECT_THAT(error({5}), HasSubstr("bit 5 chooses no line"));
  EXPECT_THAT(error({16}), HasSubstr("bit 19 chooses no line"));
  PmuSpec spec = rdusim::testing::small_chip().pmu;
  spec.banks = 12;
  EXPECT_THAT(pmu_geometry(spec, {}).error().to_string(), HasSubstr("must be powers of two"));
}

TEST(PmuModel, APortServesAVectorACycle) {
  PmuModel pmu(geometry());
  EXPECT_EQ(pmu.access_bytes(Port::kRead, 10, 0, 64).first_cycle, 10);
  const auto second = pmu.access_bytes(Port::kRead, 10, 64, 64);
  EXPECT_EQ(second.first_cycle, 11);
  EXPECT_EQ(second.ready_cycle, 11 + 4);
  EXPECT_EQ(pmu.counters().conflict_cycles, 0);
}

TEST(PmuModel, ReadAndWriteMeetOnlyInOneBank) {
  PmuModel pmu(geometry());
  pmu.access_bytes(Port::kRead, 0, 0, 64);
  EXPECT_EQ(pmu.access_bytes(Port::kWrite, 0, 32768, 64).last_cycle, 0);  // bank 1
  pmu.access_bytes(Port::kRead, 5, 0, 64);
  const auto same = pmu.access_bytes(Port::kWrite, 5, 64, 64);  // bank 0, another line
  EXPECT_EQ(same.first_cycle, 5);
  EXPECT_EQ(same.last_cycle, 6);
  EXPECT_EQ(pmu.counters().port_conflicts, 32);
  EXPECT_EQ(pmu.counters().conflict_cycles, 1);
}

TEST(PmuModel, ElementsOfOneColumnWaitForEachOther) {
  PmuModel pmu(geometry());
  const std::vector<Cell> cells = {0, 32, 64, 1};  // three lines of column 0, one element of column 1
  const auto grant = pmu.access(Port::kRead, 0, cells);
  EXPECT_EQ(grant.last_cycle, 2);
  EXPECT_EQ(pmu.counters().own_conflicts, 2);
  const std::vector<Cell> twice = {5, 5, 5};
  EXPECT_EQ(pmu.access(Port::kRead, 3, twice).last_cycle, 3);  // one cell, handed out
  // Low bank bits put neighbouring lines into different banks.
  PmuModel interleaved(geometry({6}));
  EXPECT_EQ(interleaved.access(Port::kRead, 0, cells).last_cycle, 0);
}

TEST(PmuModel, FourAddressesACycle) {
  PmuModel pmu(geometry());
  const std::vector<Cell> four = {0, 33, 66, 99};
  const std::vector<Cell> other = {16384 + 4};
  EXPECT_EQ(pmu.access(Port::kRead, 0, four, 4).first_cycle, 0);
  EXPECT_EQ(pmu.access(Port::kWrite, 0, other, 1).first_cycle, 1);
  EXPECT_EQ(pmu.counters().address_wait_cycles, 1);
}

TEST(MatrixLayout, DiagonalRotatesEachRowByOneMore) {
  const MatrixLayout layout(Striping::kDiagonal, 4, 32, 2, 64);
  EXPECT_EQ(layout.cell(0, 0), 0U);
  EXPECT_EQ(layout.cell(1, 0), 32U + 1);
  EXPECT_EQ(layout.cell(1, 31), 32U + 0);
  EXPECT_EQ(layout.cell(3, 30), 96U + 1);
  EXPECT_EQ(MatrixLayout(Striping::kDiagonal, 4, 33, 2, 64).bytes(), 4 * 128);  // whole lines
  EXPECT_EQ(MatrixLayout(Striping::kLinear, 4, 33, 2, 64).bytes(), 4 * 66);
}

TEST(PmuWorkload, RowsAreConflictFreeAndColumnsOfALinearMatrixAreNot) {
  PmuWorkload w;
  w.rows = 64;
  w.cols = 128;
  EXPECT_EQ(run(w).cycles, 64 * 4);
  EXPECT_DOUBLE_EQ(run(w).fraction_of_peak, 1);
  w.walk = Walk::kColumn;  // 128 columns x 2 vectors of 32 rows, all in one column of one bank
  EXPECT_EQ(run(w).cycles, 128 * 2 * 32);
  // Lines interleaved over banks: a row is 4 lines, so rows lie in 4 of 16 banks, 8 rows in each.
  EXPECT_EQ(run(w, geometry({6})).cycles, 128 * 2 * 8);
}

TEST(PmuWorkload, ATransposeFromDiagonalStripesIsAtFullRate) {
  PmuWorkload w;
  w.walk = Walk::kColumn;
  w.striping = Striping::kDiagonal;
  w.rows = 128;
  w.cols = 128;
  w.buffers = 2;
  for (const NumberFormat format : {NumberFormat::kBf16, NumberFormat::kFp32, NumberFormat::kInt32}) {
    w.format = format;
    const PmuResult r = run(w);
    EXPECT_EQ(r.counters.own_conflicts + r.counters.port_conflicts, 0);
    EXPECT_DOUBLE_EQ(r.fraction_of_peak, 1);
    EXPECT_EQ(r.written_bytes, r.read_bytes);
  }
  w.format = NumberFormat::kInt8;  // two elements share a lane's column
  EXPECT_DOUBLE_EQ(run(w).fraction_of_peak, 0.5);
}

TEST(PmuWorkload, DoubleBuffersBelongInDifferentBanks) {
  PmuWorkload w;
  w.rows = 64;
  w.cols = 128;
  w.buffers = 2;
  EXPECT_EQ(run(w).counters.port_conflicts, 0);
  const PmuResult shared = run(w, geometry({6}));  // both buffers in all banks
  EXPECT_GT(shared.counters.port_conflicts, 0);
  EXPECT_LT(shared.fraction_of_peak, 1);
}

TEST(PmuWorkload, ShortRowsAndStridesLeaveThePortPartlyIdle) {
  PmuWorkload w;
  w.rows = 64;
  w.cols = 8;
  EXPECT_DOUBLE_EQ(run(w).fraction_of_peak, 0.25);
  w.walk = Walk::kStream;
  EXPECT_DOUBLE_EQ(run(w).fraction_of_peak, 1);
  w.walk = Walk::kStrided;
  w.cols = 32;
  w.stride = 4;  // 8 columns of the bank for 32 elements
  EXPECT_DOUBLE_EQ(run(w).fraction_of_peak, 0.25);
  w.stride = 33;  // walks the diagonal
  EXPECT_EQ(run(w).counters.own_conflicts, 0);
}

TEST(PmuWorkload, AGatherIsBoundByAddressesOrByTheSlowestPmu) {
  PmuWorkload w;
  w.walk = Walk::kGather;
  w.rows = 1024;
  w.cols = 32;  // a vector a row
  EXPECT_EQ(run(w).cycles, 1024);
  w.cols = 2;  // four rows of 4 B a cycle
  const PmuResult narrow = run(w);
  EXPECT_GE(narrow.cycles, 256);
  EXPECT_LE(narrow.fraction_of_peak, 0.25);
  w.cols = 32;
  w.pmus = 4;
  const PmuResult four = run(w);
  EXPECT_GE(four.cycles, four.busiest_pmu_accesses);
  EXPECT_LT(four.cycles, 512);  // PMUs work side by side
  EXPECT_LT(four.fraction_of_peak, 1);
  EXPECT_EQ(four.read_bytes, 1024 * 64);
}

TEST(PmuWorkload, SeveralPmusShareTheRows) {
  PmuWorkload w;
  w.rows = 64;
  w.cols = 128;
  w.pmus = 4;
  EXPECT_EQ(run(w).cycles, 16 * 4);
  EXPECT_EQ(run(w).read_bytes, 64 * 128 * 2);
  w.rows = 65;
  EXPECT_EQ(run(w).cycles, 17 * 4);
}

TEST(PmuWorkload, WhatDoesNotFitIsAnError) {
  PmuWorkload w;
  w.rows = 100000;
  w.cols = 128;
  const auto result = run_pmu_workload(geometry(), w);
  ASSERT_FALSE(result.ok());
  EXPECT_THAT(result.error().to_string(), HasSubstr("take 25600000 B of a PMU; a buffer has 524288 B"));
  w.rows = 10;
  w.walk = Walk::kGather;
  w.buffers = 2;
  EXPECT_THAT(run_pmu_workload(geometry(), w).error().to_string(),
              HasSubstr("a gather from several buffers"));
}

}  // namespace
}  // namespace rdusim::sim
