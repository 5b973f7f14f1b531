#include "sim/pcu/systolic.h"

#include <algorithm>

#include "base/check.h"

namespace rdusim::sim {

namespace {

constexpr int64_t ceil_div(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

// What stays in the array and what streams through it.
struct Mapping {
  int64_t on_rows;     // extent cut into folds along the array's rows
  int64_t on_columns;  // ... and along its columns
  int64_t streamed;    // steps of one fold
};

Mapping map(Dataflow dataflow, const GemmShape& s) {
  switch (dataflow) {
    case Dataflow::kOutputStationary:
      return {s.m, s.n, s.k};
    case Dataflow::kWeightStationary:
      return {s.k, s.n, s.m};
    case Dataflow::kInputStationary:
      break;
  }
  return {s.k, s.m, s.n};
}

}  // namespace

GemmCycles systolic_gemm(const SystolicArray& array, const GemmShape& shape) {
  RDU_CHECK(std::min({array.rows, array.columns, array.arrays, shape.m, shape.k, shape.n}) >= 1,
            "array {} x {} x {}, product {} x {} x {}", array.arrays, array.rows, array.columns, shape.m,
            shape.k, shape.n);
  const bool os = array.dataflow == Dataflow::kOutputStationary;
  const Mapping mapping = map(array.dataflow, shape);
  GemmCycles g;
  g.folds = ceil_div(mapping.on_rows, array.rows) * ceil_div(mapping.on_columns, array.columns);
  g.folds_per_array = ceil_div(g.folds, array.arrays);
  g.k_split = os ? std::min(mapping.streamed, std::max<int64_t>(1, array.arrays / g.folds)) : 1;
  g.stream_cycles = ceil_div(mapping.streamed, g.k_split);

  const int64_t load = os ? 0 : array.rows;  // what stays is shifted in, a row a cycle
  const int64_t skew = array.rows - 1 + (array.operands == OperandPath::kSkewed ? array.columns - 1 : 0);
  const bool tail = os && array.drain == DrainPath::kTail;
  g.fill_cycles = load + skew;
  g.drain_cycles = tail ? array.rows - 1 : 0;
  const int64_t fold = g.stream_cycles + g.fill_cycles + g.drain_cycles;
  // Doubled accumulators drain a row a cycle while the next fold streams; doubled weights load likewise.
  g.interval_cycles = array.overlap == FoldOverlap::kNone ? fold : std::max(g.stream_cycles, array.rows);
  g.cycles = (g.folds_per_array - 1) * g.interval_cycles + fold;

  const double macs = static_cast<double>(array.rows) * static_cast<double>(array.columns);
  const double work =
      static_cast<double>(shape.m) * static_cast<double>(shape.k) * static_cast<double>(shape.n);
  const double all_macs = macs * static_cast<double>(array.arrays);
  g.ideal_cycles = ceil_div(ceil_div(shape.m * shape.n * shape.k, array.rows * array.columns), array.arrays);
  g.utilization = work / (all_macs * static_cast<double>(g.cycles));
  g.mapping_efficiency = work / (macs * static_cast<double>(g.folds) * static_cast<double>(mapping.streamed));
  return g;
}

std::string_view dataflow_name(Dataflow dataflow) {
  switch (dataflow) {
    case Dataflow::kOutputStationary:
      return "os";
    case Dataflow::kWeightStationary:
      return "ws";
    case Dataflow::kInputStationary:
      break;
  }
  return "is";
}

}  // namespace rdusim::sim
