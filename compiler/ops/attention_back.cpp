// attention_back: the gradients of an attention's queries, keys and values (training: no cache, no window),
// side by side. For each head, with the probabilities p computed again:
//
//   dv_u = sum_t p_tu dy_t      dp_tu = dy_t v_u      ds_tu = scale p_tu (dp_tu - sum_w p_tw dp_tw)
//   dq_t = sum_u ds_tu k_u      dk_u = sum_t ds_tu q_t
//
// Lowering: keys and values of a sequence are collected first; then a block of queries after the other passes
// through scores, probabilities and their gradients, and adds to the gradients of all keys and values, which
// leave when the last block has come. Rows of scores are (token, head) pairs, as in attention.
#include "compiler/ops/op.h"

#include <fmt/format.h>

#include <cmath>

#include "compiler/ops/attention.h"
#include "compiler/ops/operands.h"
#include "compiler/passes/lowering.h"

namespace rdusim::compiler {
namespace {

constexpr size_t kQueries = 0, kKeys = 1, kValues = 2, kDy = 3;

struct Dimensions {
  int64_t heads, kv_heads, dim, tokens;
  bool causal;
  double scale;

  explicit Dimensions(const Node& node)
      : heads(node.integer("heads")),
        kv_heads(node.integer("kv_heads")),
        dim(node.integer("head_dim")),
        tokens(node.integer("query_tokens")),
        causal(node.integer("causal") != 0),
        scale(node.real("scale")) {}
  [[nodiscard]] int64_t q_cols() const { return heads * dim; }
  [[nodiscard]] int64_t kv_cols() const { return kv_heads * dim; }
  [[nodiscard]] int64_t group() const { return heads / kv_heads; }
};

Result<Shape> infer(const Graph& graph, const Node& node) {
  RDU_CHECK_OK(expect_positive(node, {"head_dim", "heads", "kv_heads", "query_tokens"}));
  const Dimensions d(node);
  const Value& q = operand(graph, node, kQueries);
  if (d.heads % d.kv_heads != 0 || q.shape.rows() % d.tokens != 0) {
    return operand_error(node, fmt::format("{} heads over {} key/value heads, {} rows in sequences of {}",
                                           d.heads, d.kv_heads, q.shape.rows(), d.tokens));
  }
  RDU_CHECK_OK(expect_cols(node, "queries", q, d.q_cols()));
  RDU_CHECK_OK(expect_same_shape(node, q, operand(graph, node, kDy)));
  for (const size_t i : {kKeys, kValues}) {
    RDU_CHECK_OK(expect_rows(node, "keys and values", operand(graph, node, i), q.shape.rows()));
    RDU_CHECK_OK(expect_cols(node, "keys and values", operand(graph, node, i), d.kv_cols()));
  }
  return matrix(q.shape.rows(), d.q_cols() + 2 * d.kv_cols());
}

// Five products where attention has two, each 2 d FLOPs a head and pair.
OpCost cost(const Graph& graph, const Node& node) {
  const Dimensions d(node);
  const int64_t pairs = d.causal ? d.tokens * (d.tokens + 1) / 2 : d.tokens * d.tokens;
  const int64_t sequences = operand(graph, node, kQueries).shape.rows() / d.tokens;
  return OpCost{10 * d.dim * d.heads * sequences * pairs, 0};
}

float dot(const Tensor& a, int64_t row, int64_t col, const Tensor& b, int64_t b_row, int64_t b_col,
          int64_t n) {
  float sum = 0;
  for (int64_t c = 0; c < n; ++c) sum += a.at(row, col + c) * b.at(b_row, b_col + c);
  return sum;
}

// to[row, col..] += factor from[from_row, from_col..]
void add_scaled(Tensor& to, int64_t row, int64_t col, float factor, const Tensor& from, int64_t from_row,
                int64_t from_col, int64_t n) {
  for (int64_t c = 0; c < n; ++c) to.at(row, col + c) += factor * from.at(from_row, from_col + c);
}

Tensor reference(const ReferenceContext& context) {
  const Dimensions d(*context.node);
  const Tensor& q = *context.inputs[kQueries];
  const Tensor& k = *context.inputs[kKeys];
  const Tensor& v = *context.inputs[kValues];
  const Tensor& dy = *context.inputs[kDy];
  const auto scale = static_cast<float>(d.scale);
  Tensor result(q.rows(), d.q_cols() + 2 * d.kv_cols());
  for (int64_t t = 0; t < q.rows(); ++t) {
    const int64_t first = t / d.tokens * d.tokens;
    const int64_t count = d.causal ? t - first + 1 : d.tokens;
    for (int64_t head = 0; head < d.heads; ++head) {
      const int64_t at = head * d.dim;
      const int64_t kv = head / d.group() * d.dim;
      std::vector<float> scores;
      std::vector<float> dp;
      for (int64_t u = first; u < first + count; ++u) {
        scores.push_back(scale * dot(q, t, at, k, u, kv, d.dim));
        dp.push_back(dot(dy, t, at, v, u, kv, d.dim));
      }
      const std::vector<float> p = softmax(std::move(scores));
      float along = 0;
      for (size_t i = 0; i < p.size(); ++i) along += p[i] * dp[i];
      for (int64_t u = first; u < first + count; ++u) {
        const auto i = static_cast<size_t>(u - first);
        const float ds = scale * p[i] * (dp[i] - along);
        add_scaled(result, t, at, ds, k, u, kv, d.dim);
        add_scaled(result, u, d.q_cols() + kv, ds, q, t, at, d.dim);
        add_scaled(result, u, d.q_cols() + d.kv_cols() + kv, p[i], dy, t, at, d.dim);
      }
    }
  }
  return rounded(context, std::move(result));
}

class BackStages {
 public:
  BackStages(Lowering& l, const Node& node)
      : l_(l), node_(node), d_(node), flow_(l.flow(node.inputs[kQueries])) {}

  void run() {
    if (flow_.blocks > 1) l_.wait_for(flow_.blocks);
    q_ = l_.activation(node_.inputs[kQueries]);
    dy_ = l_.activation(node_.inputs[kDy]);
    const Stream k = collected("k", l_.activation(node_.inputs[kKeys]));
    const Stream v = collected("v", l_.activation(node_.inputs[kValues]));
    const Stream p = probabilities(product("scores", q_, k));
    const Stream ds = score_gradients(p, product("dp", dy_, v));
    const Stream dq = query_gradients(ds, k);
    const Stream dk = turned_product("dk", ds, q_);
    const Stream dv = turned_product("dv", p, dy_);
    join(dq, dk, dv);
  }

 private:
  // Of probabilities and their gradients, as they meet the other operand of a product.
  [[nodiscard]] DType dtype() const { return l_.value(node_.outputs[0]).dtype; }
  // All rows of a sequence as one token.
  Stream collected(const char* name, const Stream& rows) {
    UnitBuilder u = l_.unit(UnitKind::kBuffer, node_, std::string(name) + "_all");
    u.fire(flow_.tokens());
    Stream all = u.emit(u.take(rows, kEach), d_.tokens, rows.cols, rows.dtype,
                        {last_of(flow_.blocks), Accumulate::kConcatRows, flow_.blocks, 0});
    all.capacity_tokens = 1;
    return all;
  }
  // Rows (token, head) of `rows` against all rows of `all`: [rows heads, tokens].
  Stream product(const char* name, const Stream& rows, const Stream& all) {
    UnitBuilder u = l_.unit(UnitKind::kGemm, node_, name);
    u.fire(flow_.tokens());
    const Register r = u.take(rows, kEach);
    const Register a = u.take(all, first_of(flow_.blocks));
    const Register pairs = u.op(TileOpKind::kReshape, {r}, d_.dim);
    Stream out = u.emit(u.matmul(pairs, a, true, d_.heads, d_.group()), flow_.rows * d_.heads, d_.tokens,
                        DType::kFp32);
    out.capacity_tokens = 1;  // the largest tokens of the operator
    return out;
  }
  Stream probabilities(const Stream& scores) {
    UnitBuilder u = l_.unit(UnitKind::kSimd, node_, "softmax");
    u.fire(flow_.tokens());
    Register s = u.scalar_op(TileOpKind::kMulScalar, u.take(scores, kEach), d_.scale);
    if (d_.causal) {
      const Register col = u.op(TileOpKind::kColIndex, {s});
      const Register row = u.op(TileOpKind::kRowIndex, {s}, d_.heads);
      const Register seen = u.op(TileOpKind::kCmpLessEqual, {col, row});
      // Zero where seen, far below any score elsewhere.
      const Register penalty =
          u.scalar_op(TileOpKind::kMulScalar, u.scalar_op(TileOpKind::kAddScalar, seen, -1.0), 1e30);
      s = u.op(TileOpKind::kAdd, {s, penalty});
    }
    const Register e = u.op(TileOpKind::kExp, {u.op(TileOpKind::kSub, {s, u.op(TileOpKind::kRowMax, {s})})});
    const Register p =
        u.op(TileOpKind::kMul, {e, u.op(TileOpKind::kReciprocal, {u.op(TileOpKind::kRowSum, {e})})});
    return u.emit(p, scores.rows, scores.cols, dtype());
  }
  Stream score_gradients(const Stream& p, const Stream& dp) {
    UnitBuilder u = l_.unit(UnitKind::kSimd, node_, "ds");
    u.fire(flow_.tokens());
    const Register rp = u.take(p, kEach);
    const Register rd = u.take(dp, kEach);
    const Register along = u.op(TileOpKind::kRowSum, {u.op(TileOpKind::kMul, {rp, rd})});
    const Register ds = u.op(TileOpKind::kMul, {rp, u.op(TileOpKind::kSub, {rd, along})});
    return u.emit(u.scalar_op(TileOpKind::kMulScalar, ds, d_.scale), p.rows, p.cols, dtype());
  }
  Stream query_gradients(const Stream& ds, const Stream& k) {
    UnitBuilder u = l_.unit(UnitKind::kGemm, node_, "dq");
    u.fire(flow_.tokens());
    const Register r = u.take(ds, kEach);
    const Register a = u.take(k, first_of(flow_.blocks));
    const Register pairs = u.matmul(r, a, false, d_.heads, d_.group());
    return u.emit(u.op(TileOpKind::kReshape, {pairs}, d_.q_cols()), flow_.rows, d_.q_cols(), DType::kFp32);
  }
  // Sum over the queries and over the heads of a group: of each head's [rows, tokens], turned, times its part
  // of `rows`. [tokens, kv_heads dim], complete with a sequence's last block.
  Stream turned_product(const char* name, const Stream& pairs, const Stream& rows) {
    UnitBuilder u = l_.unit(UnitKind::kGemm, node_, name);
    u.fire(flow_.tokens());
    const Register r = u.take(pairs, kEach);
    const Register x = u.take(rows, kEach);
    const Register by_token = u.op(TileOpKind::kReshape, {r}, d_.heads * d_.tokens);
    std::optional<Register> all;
    for (int64_t kv = 0; kv < d_.kv_heads; ++kv) {
      std::optional<Register> sum;
      for (int64_t head = kv * d_.group(); head < (kv + 1) * d_.group(); ++head) {
        const Register part = u.op(TileOpKind::kSliceCols, {by_token}, head * d_.tokens, d_.tokens);
        const Register own = u.op(TileOpKind::kSliceCols, {x}, head * d_.dim, d_.dim);
        const Register one = u.matmul(u.op(TileOpKind::kTranspose, {part}), own, false);
        sum = sum ? u.op(TileOpKind::kAdd, {*sum, one}) : one;
      }
      all = all ? u.op(TileOpKind::kConcatCols, {*all, *sum}) : *sum;
    }
    Stream out = u.emit(*all, d_.tokens, d_.kv_cols(), DType::kFp32,
                        {last_of(flow_.blocks), Accumulate::kSum, flow_.blocks, 0});
    out.capacity_tokens = 1;
    return out;
  }
  // Rows of the three side by side, cut as the queries are.
  void join(Stream dq, const Stream& dk, const Stream& dv) {
    dq.capacity_tokens = flow_.blocks + 1;  // the others come with the last block
    const Value& result = l_.value(node_.outputs[0]);
    UnitBuilder u = l_.unit(UnitKind::kBuffer, node_);
    u.fire(flow_.tokens());
    const Register q = u.take(dq, kEach);
    const Register k = u.take(dk, first_of(flow_.blocks));
    const Register v = u.take(dv, first_of(flow_.blocks));
    const auto block = [&](Register all) {
      return u.op(TileOpKind::kSliceRowsByFiring, {all}, flow_.rows, flow_.blocks);
    };
    const Register kv = u.op(TileOpKind::kConcatCols, {block(k), block(v)});
    const Register row = u.op(TileOpKind::kConcatCols, {q, kv});
    l_.define(node_.outputs[0], u.emit(row, flow_.rows, result.shape.cols(), result.dtype), flow_);
  }

  Lowering& l_;
  const Node& node_;
  Dimensions d_;
  Flow flow_;
  Stream q_;
  Stream dy_;
};

// Masks compare the rows of queries and keys, so both count from the same first row of a sequence.
Status lower(Lowering& l, const Node& node) {
  BackStages(l, node).run();
  return {};
}

}  // namespace

const OpRecord kAttentionBackRecord = {
    .doc =
        "q, dy [B*T,H*d], k, v [B*T,K*d] -> [B*T,(H+2K)*d]: the gradients of an attention's queries, keys "
        "and "
        "values",
    .attributes = {"causal", "head_dim", "heads", "kv_heads", "query_tokens", "scale"},
    .min_inputs = 4,
    .max_inputs = 4,
    .infer = infer,
    .cost = cost,
    .reference = reference,
    .lower = lower,
};

}  // namespace rdusim::compiler
