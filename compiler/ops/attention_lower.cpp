// The stages of attention on the chip: [split] -> scores -> softmax -> values -> [join]. Coordinates on the
// tiles carry the positions that masks and biases compare. See attention.h.
#include <optional>

#include "compiler/ops/attention.h"

namespace rdusim::compiler {

Stream split_sequences(Lowering& l, const Node& node, const char* name, const Stream& rows,
                       int64_t sequences) {
  if (sequences == 1) return rows;
  UnitBuilder u = l.unit(UnitKind::kBuffer, node, std::string("split_") + name);
  u.fire(sequences);
  const Register in = u.take(rows, first_of(sequences));
  return u.emit(u.op(TileOpKind::kSliceRowsByFiring, {in}, 1, sequences), 1, rows.cols, rows.dtype);
}

Stream join_sequences(Lowering& l, const Node& node, const Stream& rows, int64_t sequences) {
  if (sequences == 1) return rows;
  UnitBuilder join = l.unit(UnitKind::kBuffer, node, "join");
  join.fire(sequences);
  const Register in = join.take(rows, kEach);
  return join.emit(in, sequences, rows.cols, rows.dtype,
                   {last_of(sequences), Accumulate::kConcatRows, sequences, 0});
}

Stream cached_rows(Lowering& l, const Node& node, ValueId cache, int64_t begin, int64_t rows,
                   int64_t capacity, int64_t sequences) {
  MemoryStream range;
  range.begin = begin;
  range.rows = rows;
  range.segments = sequences;
  range.stride = capacity;
  range.ring = begin + rows > capacity ? capacity : 0;
  range.cols = l.value(cache).shape.cols();
  range.rows_per_token = std::min(rows, l.stream_rows(cache));
  const Stream tokens = l.load(cache, range, "");
  const int64_t n = range.tokens_per_segment();
  if (n == 1) return tokens;
  UnitBuilder u = l.unit(UnitKind::kBuffer, node, generic_name(l.value(cache).name));
  u.fire(n * sequences);
  const Register in = u.take(tokens, kEach);
  Stream out = u.emit(in, rows, range.cols, tokens.dtype, {last_of(n), Accumulate::kConcatRows, n, 0});
  out.capacity_tokens = 1;
  return out;
}

bool AttentionStages::in_parts() const {
  return old_keys.has_value() && shape.query_tokens > 1;
}

Stream AttentionStages::run() {
  if (key_block > 0) return run_blocks();
  const Stream scores = scores_stage();
  return values_stage(softmax_stage(scores));
}

AttentionStages::Positions AttentionStages::positions(UnitBuilder& u, Register scores,
                                                      std::optional<Register> keys_register) const {
  const Register col = u.op(TileOpKind::kColIndex, {scores});
  Register row = u.op(TileOpKind::kRowIndex, {scores}, shape.heads);
  if (first_position > 0) row = u.scalar_op(TileOpKind::kAddScalar, row, static_cast<double>(first_position));
  if (!aligned_at_end) return {row, col};
  const Register keys_rows =
      keys_register ? u.op(TileOpKind::kRowIndex, {*keys_register}, 1) : u.op(TileOpKind::kTranspose, {col});
  const auto before_last = [&](Register from, Register all) {
    return u.op(TileOpKind::kSub, {from, u.op(TileOpKind::kLastRow, {all})});
  };
  return {before_last(row, row), before_last(col, keys_rows)};
}

// 1 where a score counts, by the positions of its key and of its query's token.
Register AttentionStages::visible(UnitBuilder& u, const Positions& at) const {
  const Register seen = u.op(TileOpKind::kCmpLessEqual, {at.key, at.query});
  if (shape.window == 0) return seen;
  const Register oldest = u.scalar_op(TileOpKind::kAddScalar, at.query, -static_cast<double>(shape.window));
  return u.op(TileOpKind::kMul, {seen, u.op(TileOpKind::kCmpLess, {oldest, at.key})});
}

// Columns of new keys count from the first of the sequence; row i of the table serves the heads of token i.
Register AttentionStages::visible_in_tree(UnitBuilder& u, Register scores, Register table_register) const {
  const Register col = u.op(TileOpKind::kColIndex, {scores});
  const Register block = u.op(TileOpKind::kSliceRowsByFiring, {table_register}, flow.rows, flow.blocks);
  const Register rows = u.op(TileOpKind::kRepeatRows, {block}, shape.heads);
  const Register key = u.op(TileOpKind::kSub, {col, u.op(TileOpKind::kSliceCols, {col}, 0, 1)});
  const Register zero = u.scalar_op(TileOpKind::kMulScalar, u.op(TileOpKind::kRowIndex, {scores}, 1), 0.0);
  return u.op(TileOpKind::kLookup, {rows, u.op(TileOpKind::kAdd, {zero, key})});
}

// The table's entry for the head and for the distance between query and key.
Register AttentionStages::bias(UnitBuilder& u, Register table_register, const Positions& at) const {
  if (shape.query_tokens > 1)
    return u.op(TileOpKind::kLookup, {table_register, u.op(TileOpKind::kSub, {at.query, at.key})});
  // One query: the last key is its own, whatever coordinates the cached ones have.
  const Register key = u.op(TileOpKind::kSub, {at.key, u.op(TileOpKind::kSliceCols, {at.key}, 0, 1)});
  const int64_t last = shape.past_tokens - shape.first_key(shape.past_tokens);
  const Register own = u.scalar_op(TileOpKind::kAddScalar, u.scalar_op(TileOpKind::kMulScalar, at.query, 0.0),
                                   static_cast<double>(last));
  return u.op(TileOpKind::kLookup, {table_register, u.op(TileOpKind::kSub, {own, key})});
}

Register AttentionStages::scaled(UnitBuilder& u, Register scores) const {
  const Register s = u.scalar_op(TileOpKind::kMulScalar, scores, shape.scale);
  if (shape.cap == 0) return s;
  const Register t = u.op(TileOpKind::kTanh, {u.scalar_op(TileOpKind::kMulScalar, s, 1.0 / shape.cap)});
  return u.scalar_op(TileOpKind::kMulScalar, t, shape.cap);
}

Register AttentionStages::adjusted(UnitBuilder& u, Register scores, Mask mask,
                                   std::optional<Register> table_register,
                                   std::optional<Register> keys_register) const {
  Register s = scaled(u, scores);
  const bool biased = table_register && !tree;
  if (!biased && mask == Mask::kNone) return s;
  std::optional<Positions> at;
  if (biased || mask == Mask::kCausal) at = positions(u, s, keys_register);
  if (biased) s = u.op(TileOpKind::kAdd, {s, bias(u, *table_register, *at)});
  if (mask == Mask::kNone) return s;
  // (seen - 1) * 1e30: zero where seen, and far below any score elsewhere; exp of it is zero.
  const Register seen = mask == Mask::kTree ? visible_in_tree(u, s, *table_register) : visible(u, *at);
  const Register penalty =
      u.scalar_op(TileOpKind::kMulScalar, u.scalar_op(TileOpKind::kAddScalar, seen, -1.0), 1e30);
  return u.op(TileOpKind::kAdd, {s, penalty});
}

Register AttentionStages::adjusted_cached(UnitBuilder& u, Register scores, Register new_scores,
                                          std::optional<Register> table_register) const {
  const Register s = scaled(u, scores);
  if (!table_register || tree) return s;
  // Both counts from the first row of the sequence: the first new key is the first query's, which stands
  // behind all cached ones.
  const auto from_first = [&](Register position, Register row) {
    return u.op(TileOpKind::kSub, {position, u.op(TileOpKind::kSliceCols, {row}, 0, 1)});
  };
  const Positions at = positions(u, s, std::nullopt);
  const Register query =
      u.scalar_op(TileOpKind::kAddScalar, from_first(at.query, u.op(TileOpKind::kColIndex, {new_scores})),
                  static_cast<double>(old_keys->rows));
  return u.op(TileOpKind::kAdd, {s, bias(u, *table_register, {query, from_first(at.key, at.key)})});
}

Stream AttentionStages::scores_stage() {
  UnitBuilder u = l.unit(UnitKind::kGemm, node, "scores");
  u.fire(flow.tokens());
  const Register rq = u.take(q, kEach);
  const Register rk = u.take(keys, new_phases);
  std::optional<Register> rc;
  if (old_keys) rc = u.take(*old_keys, first_of(flow.blocks));
  std::optional<Register> rt;
  if (in_parts() && table) rt = u.take(*table, first_of(flow.tokens()));
  const Register rows = u.op(TileOpKind::kReshape, {rq}, shape.head_dim);
  Register s = u.matmul(rows, rk, true, shape.heads, shape.group());
  if (rc) {
    Register old = u.matmul(rows, *rc, true, shape.heads, shape.group());
    if (in_parts()) {
      const Register fresh = s;
      s = adjusted(u, fresh, tree ? Mask::kTree : Mask::kCausal, rt);
      old = adjusted_cached(u, old, fresh, rt);
    }
    s = u.op(TileOpKind::kConcatCols, {old, s});
  }
  return u.emit(s, flow.rows * shape.heads, keys.rows + (old_keys ? old_keys->rows : 0), DType::kFp32);
}

Stream AttentionStages::softmax_stage(const Stream& scores) {
  UnitBuilder u = l.unit(UnitKind::kSimd, node, "softmax");
  u.fire(flow.tokens());
  const Register in = u.take(scores, kEach);
  std::optional<Register> rt;
  if (!in_parts() && table) rt = u.take(*table, first_of(flow.tokens()));
  Register s = in;
  if (!in_parts()) {
    const bool masked = shape.causal && shape.query_tokens > 1;
    s = adjusted(u, in, !masked ? Mask::kNone : tree ? Mask::kTree : Mask::kCausal, rt);
  }
  const Register e = u.op(TileOpKind::kExp, {u.op(TileOpKind::kSub, {s, u.op(TileOpKind::kRowMax, {s})})});
  const Register p =
      u.op(TileOpKind::kMul, {e, u.op(TileOpKind::kReciprocal, {u.op(TileOpKind::kRowSum, {e})})});
  return u.emit(p, scores.rows, scores.cols, dtype);
}

Stream AttentionStages::values_stage(const Stream& p) {
  UnitBuilder u = l.unit(UnitKind::kGemm, node, "values");
  u.fire(flow.tokens());
  const Register rp = u.take(p, kEach);
  const Register rv = u.take(values, new_phases);
  std::optional<Register> rc;
  if (old_values) rc = u.take(*old_values, first_of(flow.blocks));
  Register y = rp;
  if (rc && !in_parts()) {
    const int64_t old = p.cols - 1;
    const Register seen =
        u.matmul(u.op(TileOpKind::kSliceCols, {rp}, 0, old), *rc, false, shape.heads, shape.group());
    const Register now =
        u.matmul(u.op(TileOpKind::kSliceCols, {rp}, old, 1), rv, false, shape.heads, shape.group());
    y = u.op(TileOpKind::kAdd, {seen, now});
  } else {
    const Register all = rc ? u.op(TileOpKind::kConcatRows, {*rc, rv}) : rv;
    y = u.matmul(rp, all, false, shape.heads, shape.group());
  }
  return u.emit(u.op(TileOpKind::kReshape, {y}, shape.q_cols()), flow.rows, shape.q_cols(), dtype);
}

}  // namespace rdusim::compiler
