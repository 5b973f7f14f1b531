#include "sim/unit_twins.h"

#include <algorithm>

#include "base/program/service.h"
#include "sim/pcu/pcu_model.h"
#include "sim/pmu/characterize.h"
#include "sim/pmu/pmu_workload.h"

namespace rdusim::sim {

namespace {

TileOp operation(TileOpKind kind, std::initializer_list<Register> operands, int64_t int0 = 0,
                 int64_t int1 = 0) {
  TileOp op;
  op.kind = kind;
  std::copy(operands.begin(), operands.end(), op.operands.begin());
  op.ints = {int0, int1};
  return op;
}

TileOp product(Register a, Register b, bool transposed, int64_t row_cycle = 1) {
  TileOp op = operation(TileOpKind::kMatmul, {a, b});
  op.matmul_transposed = transposed;
  op.matmul_row_cycle = row_cycle;
  return op;
}

PcuCase make(std::string name, UnitKind kind, int64_t pcus, std::vector<Extent> inputs,
             std::vector<TileOp> body) {
  PcuCase c;
  c.name = std::move(name);
  c.unit.kind = kind;
  c.unit.pcus = pcus;
  c.unit.inputs.resize(inputs.size());
  c.unit.body = std::move(body);
  c.inputs = std::move(inputs);
  return c;
}

PcuCase linear(std::string name, int64_t rows, int64_t columns, int64_t depth, int64_t pcus) {
  return make(std::move(name), UnitKind::kGemm, pcus, {{rows, depth, 0, 0}, {columns, depth, 0, 0}},
              {product(0, 1, true)});
}

PcuCase softmax(std::string name, int64_t rows, int64_t cols, int64_t pcus) {
  return make(std::move(name), UnitKind::kSimd, pcus, {{rows, cols, 0, 0}},
              {operation(TileOpKind::kMulScalar, {0}), operation(TileOpKind::kRowMax, {1}),
               operation(TileOpKind::kSub, {1, 2}), operation(TileOpKind::kExp, {3}),
               operation(TileOpKind::kRowSum, {4}), operation(TileOpKind::kReciprocal, {5}),
               operation(TileOpKind::kMul, {4, 6})});
}

PcuCase norm(std::string name, int64_t rows, int64_t cols, int64_t pcus) {
  return make(std::move(name), UnitKind::kSimd, pcus, {{rows, cols, 0, 0}, {1, cols, 0, 0}},
              {operation(TileOpKind::kMul, {0, 0}), operation(TileOpKind::kRowSum, {2}),
               operation(TileOpKind::kMulScalar, {3}), operation(TileOpKind::kAddScalar, {4}),
               operation(TileOpKind::kRsqrt, {5}), operation(TileOpKind::kMul, {0, 6}),
               operation(TileOpKind::kMul, {7, 1})});
}

PcuCase rotary(std::string name, int64_t rows, int64_t pcus) {
  return make(std::move(name), UnitKind::kSimd, pcus, {{rows, 128, 0, 0}, {rows, 128, 0, 0}},
              {operation(TileOpKind::kSliceCols, {0}, 0, 64), operation(TileOpKind::kSliceCols, {0}, 64, 64),
               operation(TileOpKind::kSliceCols, {1}, 0, 64), operation(TileOpKind::kSliceCols, {1}, 64, 64),
               operation(TileOpKind::kMul, {2, 4}), operation(TileOpKind::kMul, {3, 5}),
               operation(TileOpKind::kSub, {6, 7}), operation(TileOpKind::kMul, {3, 4}),
               operation(TileOpKind::kMul, {2, 5}), operation(TileOpKind::kAdd, {9, 10}),
               operation(TileOpKind::kConcatCols, {8, 11})});
}

}  // namespace

std::vector<PcuCase> pcu_cases() {
  const auto pair = [](int64_t rows, int64_t cols) {
    return std::vector<Extent>{{rows, cols, 0, 0}, {rows, cols, 0, 0}};
  };
  std::vector<PcuCase> cases = {
      linear("gemm 32x512x4096, 86 PCUs (query of a prefill block)", 32, 512, 4096, 86),
      linear("gemm 32x1376x4096, 230 PCUs (gate)", 32, 1376, 4096, 230),
      linear("gemm 32x4096x1376, 171 PCUs (down)", 32, 4096, 1376, 171),
      linear("gemm 7x33x65, 1 PCU (ragged)", 7, 33, 65, 1),
      linear("gemm 6x32x3, 4 PCUs (shallower than its drain)", 6, 32, 3, 4),
      linear("gemv 1x64x4096, 79 PCUs (decode)", 1, 64, 4096, 79),
      linear("gemv 16x64x4096, 79 PCUs (decode of a batch)", 16, 64, 4096, 79),
      linear("gemv 1x8x4096, 1 PCU (K in the lanes)", 1, 8, 4096, 1),
      make("scores 128x128x128, 4 groups, 32 PCUs", UnitKind::kGemm, 32, {{128, 128, 0, 0}, {128, 512, 0, 0}},
           {product(0, 1, true, 4)}),
      make("scores of decode 4x2048x128, 40 PCUs", UnitKind::kGemm, 40, {{4, 128, 0, 0}, {2048, 512, 0, 0}},
           {product(0, 1, true, 4)}),
      softmax("softmax 128x2048, 3 PCUs", 128, 2048, 3),
      softmax("softmax 4x2049, 1 PCU (decode)", 4, 2049, 1),
      softmax("softmax 128x17, 3 PCUs (shorter than the lanes)", 128, 17, 3),
      norm("norm 32x4096, 1 PCU", 32, 4096, 1),
      norm("norm 1x4096, 1 PCU (decode)", 1, 4096, 1),
      norm("norm 1x4096, 8 PCUs (a row on several)", 1, 4096, 8),
      norm("norm 64x20, 2 PCUs (shorter than the lanes)", 64, 20, 2),
      rotary("rotary 128 rows, 1 PCU", 128, 1),
      rotary("rotary 4 rows, 1 PCU (decode)", 4, 1),
      make("gate 32x1376, 1 PCU", UnitKind::kSimd, 1, pair(32, 1376),
           {operation(TileOpKind::kSigmoid, {0}), operation(TileOpKind::kMul, {0, 2}),
            operation(TileOpKind::kMul, {3, 1})}),
      make("residual 32x4096, 1 PCU", UnitKind::kSimd, 1, pair(32, 4096),
           {operation(TileOpKind::kAdd, {0, 1})}),
      make("two reductions 16x300, 2 PCUs", UnitKind::kSimd, 2, {{16, 300, 0, 0}},
           {operation(TileOpKind::kRowMax, {0}), operation(TileOpKind::kSub, {0, 1}),
            operation(TileOpKind::kMul, {2, 2}), operation(TileOpKind::kRowSum, {3})}),
      make("column sum 48x100, 2 PCUs", UnitKind::kSimd, 2, {{48, 100, 0, 0}},
           {operation(TileOpKind::kColSum, {0})}),
  };
  return cases;
}

std::vector<PmuCase> pmu_cases() {
  constexpr PmuAccess kStream = PmuAccess::kStream;
  constexpr PmuAccess kColumns = PmuAccess::kColumns;
  constexpr PmuAccess kGather = PmuAccess::kGather;
  return {
      {"stream 32x4096 (hidden state)", 32, 4096, 2, 1, kStream},
      {"stream 64x4096 (weights), 8 PMUs", 64, 4096, 2, 8, kStream},
      {"stream 32x40 (rows that end inside a line)", 32, 40, 2, 1, kStream},
      {"stream 1x512 (one row)", 1, 512, 2, 1, kStream},
      {"stream 128x128 of 32 bits", 128, 128, 4, 1, kStream},
      {"transpose 128x128", 128, 128, 2, 1, kColumns},
      {"transpose 64x512, 2 PMUs", 64, 512, 2, 2, kColumns},
      {"transpose 4x512 (columns shorter than a vector)", 4, 512, 2, 1, kColumns},
      {"transpose 40x100, 3 PMUs (ragged)", 40, 100, 2, 3, kColumns},
      {"gather 4096 rows of 2 B", 4096, 1, 2, 1, kGather},
      {"gather 4096 rows of 16 B", 4096, 8, 2, 1, kGather},
      {"gather 4096 rows of 256 B", 4096, 128, 2, 1, kGather},
  };
}

Result<TwinRow> compare_pcu(const PcuCase& c, const ChipSpec& chip, int64_t firings) {
  std::vector<Extent> registers = c.inputs;
  const std::vector<bool> needed(c.inputs.size() + c.unit.body.size(), true);
  RDU_CHECK_OK(firing_extents(c.unit, needed, 0, registers));
  const FiringCycles cycles = compute_cycles(c.unit, chip.pcu, needed, registers);
  FiringPlan plan;
  plan_firing(c.unit, chip.pcu, needed, registers, plan);
  PcuModel model;
  for (int64_t f = 0; f < firings; ++f) model.start(plan);
  model.operands_arrive(0, firings * plan.passes.front().steps);
  TwinRow row{"pcu", c.name, firings, firings * cycles.service_cycles + cycles.latency_cycles, 0};
  while (model.next_cycle()) {
    const PcuModel::Step step = model.step();
    if (step.results > 0) row.cycle_cycles = std::max(row.cycle_cycles, step.results_cycle);
  }
  return row;
}

Result<TwinRow> compare_pmu(const PmuCase& c, const ChipSpec& chip) {
  RDU_ASSIGN(const PmuGeometry geometry, pmu_geometry(chip.pmu, {}));
  const bool columns = c.access == PmuAccess::kColumns;
  PmuWorkload w;
  w.format = c.element_bytes == 4 ? NumberFormat::kFp32 : NumberFormat::kBf16;
  w.rows = c.rows;
  w.cols = c.cols;
  w.pmus = c.pmus;
  w.buffers = 2;
  int64_t written = pmu_write_cycles(chip.pmu, c.pmus, c.access, {c.rows, c.cols, 0, 0}, c.element_bytes);
  Extent leaves{c.rows, c.cols, 0, 0};
  if (columns) {  // each PMU has a range of columns; the one with most is simulated
    w.walk = Walk::kColumn;
    w.striping = Striping::kDiagonal;
    w.cols = (c.cols + c.pmus - 1) / c.pmus;
    w.pmus = 1;
    leaves = {c.cols, c.rows, 0, 0};
  } else if (c.access == PmuAccess::kGather) {
    w.walk = Walk::kGather;
    w.rows = kGatheredMatrixRows;
    w.gathered_rows = c.rows;
    w.buffers = 1;
    written = 0;
  } else {
    w.walk = Walk::kStream;
  }
  RDU_ASSIGN(const PmuResult result, run_pmu_workload(geometry, w));
  const int64_t read = pmu_read_cycles(chip.pmu, c.pmus, c.access, leaves, c.element_bytes);
  return TwinRow{"pmu", c.name, 1, std::max(written, read), result.cycles};
}

Result<std::vector<TwinRow>> unit_twins(const ChipSpec& chip) {
  std::vector<TwinRow> rows;
  for (const PcuCase& c : pcu_cases()) {
    for (const int64_t firings : {int64_t{1}, int64_t{16}}) {
      RDU_ASSIGN(TwinRow row, compare_pcu(c, chip, firings));
      rows.push_back(std::move(row));
    }
  }
  for (const PmuCase& c : pmu_cases()) {
    RDU_ASSIGN(TwinRow row, compare_pmu(c, chip));
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace rdusim::sim
