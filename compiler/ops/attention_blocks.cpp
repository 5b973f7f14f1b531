// Attention by blocks of keys with a running softmax (Milakov and Gimelshein, arXiv 1805.02867; Dao et al.,
// arXiv 2205.14135): what is on chip of a row of scores is one block, however long the sequence.
//
//   scores ─ weights e^(s - m), their sums l ─► values ─► normalise
//      └─ m, largest of the block ─► running ─ α, β ─┘
//
// Block b of the keys meets every block of rows: firing f of a stage is row block f / n, key block f mod n. A
// row block is several tokens of the queries, so that keys and values are read that much less often.
// Over the blocks, with M the largest so far:  α = e^(M before - M),  β = e^(m - M),
//   [o | l] <- α [o | l] + β [weights V | l],  an accumulator that composes maps (Accumulate::kCompose).
// Keys that no row of the block may see are no rows: their firings work on nothing. The PCUs that make scores
// turn them into weights, so FP32 scores do not cross the mesh. Scores, sums and factors are FP32; the
// weights are rounded to the values' type before they meet the values, as probabilities are in attention over
// whole rows, but before the division by their sum.
// APPROX: between the product and the passes of the softmax the scores lie in the PMUs beside their PCUs,
// which is not charged: a block of 2048 keys and 256 rows is 4 PMUs, and its way a quarter of a port's rate.
#include "compiler/ops/attention.h"

namespace rdusim::compiler {

int64_t AttentionStages::key_blocks() const {
  return ceil_div(keys.rows, key_block);
}

Flow AttentionStages::block_flow() const {
  return {flow.rows * gathered, flow.blocks / gathered, flow.sequences};
}

Stream AttentionStages::run_blocks() {
  if (gathered == 1) return block_values(block_weights());
  UnitBuilder gather = l.unit(UnitKind::kBuffer, node, "q_rows");
  gather.fire(flow.tokens());
  q = gather.emit(gather.take(q, kEach), flow.rows * gathered, q.cols, q.dtype,
                  {last_of(gathered), Accumulate::kConcatRows, gathered, 0});
  const Stream y = block_values(block_weights());
  UnitBuilder split = l.unit(UnitKind::kBuffer, node, "rows");
  split.fire(flow.tokens());
  const Register all = split.take(y, first_of(gathered));
  const Register rows = split.op(TileOpKind::kSliceRowsByFiring, {all}, flow.rows, gathered);
  return split.emit(rows, flow.rows, y.cols, y.dtype);
}

AttentionStages::BlockWeights AttentionStages::block_weights() {
  const int64_t n = key_blocks();
  const int64_t count = block_flow().rows * shape.heads;
  UnitBuilder u = l.unit(UnitKind::kGemm, node, "scores");
  u.fire(block_flow().tokens() * n);
  const Register rq = u.take(q, first_of(n));
  const Register rk = u.take(keys, first_of(n));
  std::optional<Register> rt;
  if (table) rt = u.take(*table, first_of(u.unit().firings));
  const Register rows = u.op(TileOpKind::kReshape, {rq}, shape.head_dim);
  const Register block = u.op(TileOpKind::kSliceRowsByFiring, {rk}, key_block, n);
  const Register product = u.matmul(rows, block, true, shape.heads, shape.group());
  const Register s = adjusted(u, product, Mask::kCausal, rt, rk);
  const Register largest = u.op(TileOpKind::kRowMax, {s});
  const Register e = u.op(TileOpKind::kExp, {u.op(TileOpKind::kSub, {s, largest})});
  const Register sum = u.op(TileOpKind::kRowSum, {e});
  const Register column = u.op(TileOpKind::kTranspose, {largest});
  BlockWeights out{};
  out.weights = u.emit(e, count, std::min(key_block, keys.rows), dtype);
  out.sums = u.emit(sum, count, 1, DType::kFp32);
  // Of the blocks so far, a row each.
  const Stream so_far = u.emit(column, n, count, DType::kFp32, {kEach, Accumulate::kConcatRows, n, 0});
  out.factors = block_factors(so_far);
  return out;
}

// α and β of every row.
Stream AttentionStages::block_factors(const Stream& largest) {
  UnitBuilder u = l.unit(UnitKind::kSimd, node, "running");
  u.fire(block_flow().tokens() * key_blocks());
  const Register all = u.take(largest, kEach);
  const Register newest = u.op(TileOpKind::kLastRow, {all});
  // The newest left out: 1e30 lower, far below any score.
  const Register is_newest = u.op(TileOpKind::kCmpEqual, {u.op(TileOpKind::kRowIndex, {all}, 1),
                                                          u.op(TileOpKind::kRowIndex, {newest}, 1)});
  const Register earlier =
      u.op(TileOpKind::kAdd, {all, u.scalar_op(TileOpKind::kMulScalar, is_newest, -1e30)});
  const auto largest_of = [&](Register rows) {
    return u.op(TileOpKind::kRowMax, {u.op(TileOpKind::kTranspose, {rows})});
  };
  const Register before = largest_of(earlier);
  const Register now = largest_of(all);
  const Register own = u.op(TileOpKind::kTranspose, {newest});
  const Register alpha = u.op(TileOpKind::kExp, {u.op(TileOpKind::kSub, {before, now})});
  const Register beta = u.op(TileOpKind::kExp, {u.op(TileOpKind::kSub, {own, now})});
  return u.emit(u.op(TileOpKind::kConcatCols, {alpha, beta}), largest.cols, 2, DType::kFp32);
}

Stream AttentionStages::block_values(const BlockWeights& w) {
  const int64_t n = key_blocks();
  const int64_t rows = w.weights.rows;
  UnitBuilder u = l.unit(UnitKind::kGemm, node, "values");
  u.fire(block_flow().tokens() * n);
  const Register rw = u.take(w.weights, kEach);
  const Register rv = u.take(values, first_of(n));
  const Register rs = u.take(w.sums, kEach);
  const Register rf = u.take(w.factors, kEach);
  const Register block = u.op(TileOpKind::kSliceRowsByFiring, {rv}, key_block, n);
  const Register o = u.matmul(rw, block, false, shape.heads, shape.group());
  const Register ol = u.op(TileOpKind::kConcatCols, {o, rs});
  const Register alpha = u.op(TileOpKind::kSliceCols, {rf}, 0, 1);
  const Register beta = u.op(TileOpKind::kSliceCols, {rf}, 1, 1);
  const Register added = u.op(TileOpKind::kMul, {ol, beta});
  const Register kept = u.op(TileOpKind::kAdd, {u.scalar_op(TileOpKind::kMulScalar, ol, 0.0), alpha});
  const Register map = u.op(TileOpKind::kConcatRows, {kept, added});
  const Stream sums =
      u.emit(map, 2 * rows, shape.head_dim + 1, DType::kFp32, {last_of(n), Accumulate::kCompose, n, 0});
  const Stream last = u.emit(rs, rows, 1, DType::kFp32, {last_of(n), Accumulate::kNone, 1, 0});

  UnitBuilder divide = l.unit(UnitKind::kSimd, node, "normalise");
  divide.fire(block_flow().tokens());
  const Register composed = divide.take(sums, kEach);
  const Register like = divide.take(last, kEach);  // as many rows as there are results, and their coordinates
  const Register result = divide.op(TileOpKind::kTapRows, {composed, like}, 0);
  const Register total = divide.op(TileOpKind::kSliceCols, {result}, shape.head_dim, 1);
  const Register weighted = divide.op(TileOpKind::kSliceCols, {result}, 0, shape.head_dim);
  const Register factor = divide.op(TileOpKind::kAdd, {divide.scalar_op(TileOpKind::kMulScalar, like, 0.0),
                                                       divide.op(TileOpKind::kReciprocal, {total})});
  const Register y = divide.op(TileOpKind::kMul, {factor, weighted});
  return divide.emit(divide.op(TileOpKind::kReshape, {y}, shape.q_cols()), block_flow().rows, shape.q_cols(),
                     dtype);
}

}  // namespace rdusim::compiler
