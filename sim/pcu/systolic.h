// A matrix product C[m,n] = A[m,k] B[k,n] on systolic arrays of rows x columns MACs, in closed form.
//
//   os (output stationary)   a tile of C stays; A comes from the left, B from above, K steps
//   ws (weight stationary)   a tile of B stays; it is shifted in row by row, then M rows of A pass
//   is (input stationary)    a tile of A^T stays, likewise; then N columns of B pass
//
// One tile is a fold. Operands reach MAC (r, c) r + c cycles after they enter (skewed), or r cycles after if
// a broadcast buffer hands each row's operand to all columns at once. A fold ends when the wavefront has
// passed the far corner; results of os leave with it, a row a cycle, or (tail drain) are shifted out through
// the other rows to the tail once the last is done. Ragged folds take as long as full ones: the array's edges
// do not move.
//   without overlap  a fold starts when the one before has ended
//   fill_drain       a fold's operands follow those of the fold before at once: accumulators (os) or weights
//                    (ws, is) are doubled, so that one set works while the other drains or fills
//
// Source of the forms without overlap: SCALE-Sim v2 and v3 results (configs/published/systolic_gemm.csv),
// which number cycles from 0 and print the last one's number, so theirs is one less. Exact: tests/property
// steps a grid of MACs with real operands and counts. Left out: where operands come from (see the PMU) and
// their off-chip traffic.
#pragma once

#include <cstdint>
#include <string_view>

namespace rdusim::sim {

enum class Dataflow : uint8_t { kOutputStationary, kWeightStationary, kInputStationary };
enum class FoldOverlap : uint8_t { kNone, kFillDrain };
enum class OperandPath : uint8_t { kSkewed, kBroadcast };
enum class DrainPath : uint8_t { kWavefront, kTail };  // of os results

struct SystolicArray {
  int64_t rows = 1;
  int64_t columns = 1;
  Dataflow dataflow = Dataflow::kOutputStationary;
  FoldOverlap overlap = FoldOverlap::kNone;
  OperandPath operands = OperandPath::kSkewed;
  DrainPath drain = DrainPath::kWavefront;
  int64_t arrays = 1;  // folds are dealt out; os arrays beyond one a fold split K
};

struct GemmShape {
  int64_t m = 1;
  int64_t k = 1;
  int64_t n = 1;
};

struct GemmCycles {
  int64_t cycles = 0;             // first operand in to last result out
  int64_t folds = 0;              // of all arrays
  int64_t folds_per_array = 0;    // of the one that has most
  int64_t k_split = 1;            // arrays that share one fold (os)
  int64_t stream_cycles = 0;      // of one fold: steps in which a new operand vector enters the array
  int64_t fill_cycles = 0;        // of one fold: loading what stays, and the skew until the far corner works
  int64_t drain_cycles = 0;       // of one fold: from the last product to the last result
  int64_t interval_cycles = 0;    // between the starts of successive folds of an array
  int64_t ideal_cycles = 0;       // ceil(m k n / MACs of all arrays)
  double utilization = 0;         // m k n / (MACs x cycles)
  double mapping_efficiency = 0;  // m k n / MACs that the folds' streams hold: what ragged edges leave
};

// All sizes at least 1.
GemmCycles systolic_gemm(const SystolicArray& array, const GemmShape& shape);

std::string_view dataflow_name(Dataflow dataflow);  // "os", "ws", "is"

}  // namespace rdusim::sim
