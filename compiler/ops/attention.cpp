// Long because everything known of the operator stands here: shapes, cost, reference and the lowering to six
// stages.
//
// attention: grouped-query attention of the new tokens over cached and new keys, and the append to the cache.
//
//   scores_u = scale q k_u over the allowed positions u;  p = softmax(scores) in FP32;  o = sum p_u v_u
//
// Query head j reads key/value head j / (heads / kv_heads). Row b * query_tokens + t stands at position
// past_tokens + t of sequence b. Allowed: u <= position if causal; with a window W > 0 only the last W of
// these, itself included. Positions below past_tokens come from the cache, where position p of sequence b
// lies in row b * capacity + p mod capacity (a ring when the capacity is the window's); after that the new
// keys and values are written there. Without a cache (embedding) past_tokens is 0. Probabilities are rounded
// to the values' type before they meet the values, as the Hugging Face classes do.
#include "compiler/ops/op.h"

#include <optional>

#include <fmt/format.h>
#include <algorithm>
#include <cmath>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "compiler/ops/operands.h"
#include "compiler/passes/lowering.h"

namespace rdusim::compiler {
namespace {

constexpr size_t kQueries = 0, kKeys = 1, kValues = 2, kKeyCache = 3, kValueCache = 4;

struct Dimensions {
  int64_t heads, kv_heads, head_dim, query_tokens, past_tokens, capacity, window;
  bool causal;
  double scale;

  explicit Dimensions(const Node& node)
      : heads(node.integer("heads")),
        kv_heads(node.integer("kv_heads")),
        head_dim(node.integer("head_dim")),
        query_tokens(node.integer("query_tokens")),
        past_tokens(node.integer("past_tokens")),
        capacity(node.integer("capacity")),
        window(node.integer("window")),
        causal(node.integer("causal") != 0),
        scale(node.real("scale")) {}

  [[nodiscard]] int64_t q_cols() const { return heads * head_dim; }
  [[nodiscard]] int64_t kv_cols() const { return kv_heads * head_dim; }
  [[nodiscard]] int64_t group() const { return heads / kv_heads; }
  [[nodiscard]] int64_t positions() const { return past_tokens + query_tokens; }
  // First and one past the last position that the query at `position` may read.
  [[nodiscard]] int64_t first_key(int64_t position) const {
    return window > 0 ? std::max<int64_t>(0, position - window + 1) : 0;
  }
  [[nodiscard]] int64_t end_key(int64_t position) const { return causal ? position + 1 : positions(); }
};

Status check_attributes(const Node& node) {
  RDU_CHECK_OK(expect_positive(node, {"head_dim", "heads", "kv_heads", "query_tokens"}));
  for (const std::string_view attribute : {"capacity", "past_tokens", "window", "causal"}) {
    RDU_CHECK_OK(expect_at_least(node, attribute, 0));
  }
  const Dimensions d(node);
  if (d.heads % d.kv_heads != 0) {
    return operand_error(
        node, fmt::format("{} query heads do not divide over {} key/value heads", d.heads, d.kv_heads));
  }
  if (d.window > 0 && !d.causal) return operand_error(node, "a window needs causal attention");
  return {};
}

Status check_caches(const Graph& graph, const Node& node, const Dimensions& d, int64_t batch) {
  if (node.inputs.size() == 3) {
    if (d.past_tokens == 0) return {};
    return operand_error(node, fmt::format("past_tokens is {} but there is no cache", d.past_tokens));
  }
  const int64_t needed = d.window > 0 ? std::min(d.window, d.positions()) : d.positions();
  if (d.capacity < needed) {
    return operand_error(
        node, fmt::format("a cache of {} rows a sequence is too small for {}", d.capacity, needed));
  }
  for (const size_t i : {kKeyCache, kValueCache}) {
    const Value& cache = operand(graph, node, i);
    if (cache.role != SymbolRole::kKvCache) {
      return operand_error(
          node, fmt::format("{} is a {}, not a KV cache", cache.name, symbol_role_name(cache.role)));
    }
    RDU_CHECK_OK(expect_rows(node, "cache", cache, batch * d.capacity));
    RDU_CHECK_OK(expect_cols(node, "cache", cache, d.kv_heads * d.head_dim));
  }
  return {};
}

Result<Shape> infer(const Graph& graph, const Node& node) {
  RDU_CHECK_OK(check_attributes(node));
  const Dimensions d(node);
  const Value& q = operand(graph, node, kQueries);
  if (node.inputs.size() == 4) return operand_error(node, "has a key cache but no value cache");
  RDU_CHECK_OK(expect_cols(node, "queries", q, d.heads * d.head_dim));
  for (const size_t i : {kKeys, kValues}) {
    RDU_CHECK_OK(expect_rows(node, i == kKeys ? "keys" : "values", operand(graph, node, i), q.shape.rows()));
    RDU_CHECK_OK(
        expect_cols(node, i == kKeys ? "keys" : "values", operand(graph, node, i), d.kv_heads * d.head_dim));
  }
  if (q.shape.rows() % d.query_tokens != 0) {
    return operand_error(node, fmt::format("{} rows of {} are not whole sequences of {}", q.shape.rows(),
                                           q.name, d.query_tokens));
  }
  RDU_CHECK_OK(check_caches(graph, node, d, q.shape.rows() / d.query_tokens));
  return matrix(q.shape.rows(), q.shape.cols());
}

// (query, key) pairs of the first n positions: position p reads p + 1 keys, or the window's number of keys if
// that is fewer.
int64_t causal_pairs(int64_t n, int64_t window) {
  if (window == 0 || n <= window) return n * (n + 1) / 2;
  return window * (window + 1) / 2 + (n - window) * window;
}

// Scores and values: 4 d FLOPs for each head and allowed (query, key) pair. The softmax is not counted, as in
// published counts.
OpCost cost(const Graph& graph, const Node& node) {
  const Dimensions d(node);
  int64_t pairs = d.query_tokens * d.positions();
  if (d.causal) pairs = causal_pairs(d.positions(), d.window) - causal_pairs(d.past_tokens, d.window);
  const int64_t batch = operand(graph, node, kQueries).shape.rows() / d.query_tokens;
  return OpCost{4 * d.head_dim * d.heads * batch * pairs, 0};
}

// Where the key or value of a position lies: the cache for old positions, the new rows for the others.
struct Row {
  const Tensor* tensor;
  int64_t row;
};
Row row_of(const ReferenceContext& context, const Dimensions& d, size_t fresh, size_t cache, int64_t sequence,
           int64_t position) {
  if (position >= d.past_tokens)
    return {context.inputs[fresh], sequence * d.query_tokens + position - d.past_tokens};
  return {context.inputs[cache], sequence * d.capacity + position % d.capacity};
}

std::vector<float> softmax(std::vector<float> scores) {
  const float largest = *std::max_element(scores.begin(), scores.end());
  float sum = 0;
  for (float& s : scores) {
    s = std::exp(s - largest);
    sum += s;
  }
  for (float& s : scores) s /= sum;
  return scores;
}

// One query row, one head.
void attend(const ReferenceContext& context, const Dimensions& d, int64_t query_row, int64_t head,
            Tensor& result) {
  const Tensor& q = *context.inputs[kQueries];
  const auto scale = static_cast<float>(d.scale);
  const int64_t sequence = query_row / d.query_tokens;
  const int64_t position = d.past_tokens + query_row % d.query_tokens;
  const int64_t q_col = head * d.head_dim;
  const int64_t kv_col = head / (d.heads / d.kv_heads) * d.head_dim;
  const int64_t first = d.first_key(position);
  const int64_t end = d.end_key(position);

  std::vector<float> scores;
  for (int64_t u = first; u < end; ++u) {
    const Row key = row_of(context, d, kKeys, kKeyCache, sequence, u);
    float dot = 0;
    for (int64_t c = 0; c < d.head_dim; ++c)
      dot += q.at(query_row, q_col + c) * key.tensor->at(key.row, kv_col + c);
    scores.push_back(dot * scale);
  }
  const bool round = rounds(context, context.graph->value(context.node->inputs[kValues]).dtype);
  const std::vector<float> probabilities = softmax(std::move(scores));
  for (int64_t u = first; u < end; ++u) {
    const Row value = row_of(context, d, kValues, kValueCache, sequence, u);
    const float exact = probabilities[static_cast<size_t>(u - first)];
    const float p = round ? round_to_bf16(exact) : exact;
    for (int64_t c = 0; c < d.head_dim; ++c)
      result.at(query_row, q_col + c) += p * value.tensor->at(value.row, kv_col + c);
  }
}

void append(const ReferenceContext& context, const Dimensions& d, size_t fresh, size_t cache) {
  const Tensor& rows = *context.inputs[fresh];
  Tensor* store = context.state[cache];
  RDU_CHECK(store != nullptr, "{}: the cache is not given as state", context.node->name);
  const bool round = rounds(context, context.graph->value(context.node->inputs[cache]).dtype);
  for (int64_t r = 0; r < rows.rows(); ++r) {
    const int64_t position = d.past_tokens + r % d.query_tokens;
    const int64_t slot = r / d.query_tokens * d.capacity + position % d.capacity;
    for (int64_t c = 0; c < rows.cols(); ++c)
      store->at(slot, c) = round ? round_to_bf16(rows.at(r, c)) : rows.at(r, c);
  }
}

Tensor reference(const ReferenceContext& context) {
  const Dimensions d(*context.node);
  const Tensor& q = *context.inputs[kQueries];
  Tensor result(q.rows(), q.cols());
  for (int64_t r = 0; r < q.rows(); ++r) {
    for (int64_t head = 0; head < d.heads; ++head) attend(context, d, r, head, result);
  }
  if (context.inputs.size() == 5) {
    append(context, d, kKeys, kKeyCache);
    append(context, d, kValues, kValueCache);
  }
  return rounded(context, std::move(result));
}

// Stages: [split] -> scores -> softmax -> values -> [join]. Rows of scores are (token, head) pairs;
// coordinates on the tiles carry the positions that the masks compare. One token a sequence from a token that
// holds a row of each.
Stream split_rows(Lowering& l, const Node& node, const char* name, const Stream& rows, int64_t sequences) {
  if (sequences == 1) return rows;
  UnitBuilder u = l.unit(UnitKind::kBuffer, node, std::string("split_") + name);
  u.fire(sequences);
  const Register in = u.take(rows, first_of(sequences));
  return u.emit(u.op(TileOpKind::kSliceRowsByFiring, {in}, 1, sequences), 1, rows.cols, rows.dtype);
}

// Keys or values of the sequence so far: each block adds its rows; a window forgets what no later row sees.
Stream accumulate_rows(Lowering& l, const Node& node, const char* name, const Stream& rows, const Flow& flow,
                       int64_t window) {
  UnitBuilder u = l.unit(UnitKind::kBuffer, node, std::string(name) + "_so_far");
  u.fire(flow.tokens());
  const Register in = u.take(rows, kEach);
  const int64_t keep = window > 0 ? window + flow.rows - 1 : 0;
  const int64_t all = flow.rows * flow.blocks;
  Stream out = u.emit(in, keep > 0 ? std::min(keep, all) : all, rows.cols, rows.dtype,
                      {kEach, Accumulate::kConcatRows, flow.blocks, keep});
  out.capacity_tokens = 1;
  return out;
}

// The visible part of the cache, one token a sequence.
std::optional<Stream> cached_rows(Lowering& l, const Node& node, ValueId cache, const Dimensions& a,
                                  int64_t sequences) {
  if (a.past_tokens == 0) return std::nullopt;
  MemoryStream range;
  range.begin = a.first_key(a.past_tokens);
  range.rows = a.past_tokens - range.begin;
  range.segments = sequences;
  range.stride = a.capacity;
  range.cols = a.kv_cols();
  range.rows_per_token = std::min(range.rows, l.stream_rows(cache));
  if (range.rows == 0) return std::nullopt;
  const Stream tokens = l.load(cache, range, "");
  const int64_t n = range.tokens_per_segment();
  if (n == 1) return tokens;
  UnitBuilder u = l.unit(UnitKind::kBuffer, node, generic_name(l.value(cache).name));
  u.fire(n * sequences);
  const Register in = u.take(tokens, kEach);
  Stream out = u.emit(in, range.rows, range.cols, tokens.dtype, {last_of(n), Accumulate::kConcatRows, n, 0});
  out.capacity_tokens = 1;
  return out;
}

Register masked(UnitBuilder& u, Register scores, const Dimensions& a) {
  if (!a.causal || a.query_tokens == 1) return scores;
  const Register row = u.op(TileOpKind::kRowIndex, {scores}, a.heads);
  const Register col = u.op(TileOpKind::kColIndex, {scores});
  Register seen = u.op(TileOpKind::kCmpLessEqual, {col, row});
  if (a.window > 0) {
    const Register oldest = u.scalar_op(TileOpKind::kAddScalar, row, -static_cast<double>(a.window));
    seen = u.op(TileOpKind::kMul, {seen, u.op(TileOpKind::kCmpLess, {oldest, col})});
  }
  // (seen - 1) * 1e30: zero where seen, and far below any score elsewhere; exp of it is zero.
  const Register penalty =
      u.scalar_op(TileOpKind::kMulScalar, u.scalar_op(TileOpKind::kAddScalar, seen, -1.0), 1e30);
  return u.op(TileOpKind::kAdd, {scores, penalty});
}

Stream scores_stage(Lowering& l, const Node& node, const Flow& flow, const Dimensions& a, const Stream& q,
                    const Stream& k, const std::optional<Stream>& cached, int64_t keys) {
  UnitBuilder u = l.unit(UnitKind::kGemm, node, "scores");
  u.fire(flow.tokens());
  const Register rq = u.take(q, kEach);
  const Register rk = u.take(k, kEach);
  std::optional<Register> rc;
  if (cached) rc = u.take(*cached, kEach);
  const Register rows = u.op(TileOpKind::kReshape, {rq}, a.head_dim);
  Register s = u.matmul(rows, rk, true, a.heads, a.group());
  if (rc) s = u.op(TileOpKind::kConcatCols, {u.matmul(rows, *rc, true, a.heads, a.group()), s});
  return u.emit(s, flow.rows * a.heads, keys, DType::kFp32);
}

Stream softmax_stage(Lowering& l, const Node& node, const Flow& flow, const Dimensions& a,
                     const Stream& scores, DType dtype) {
  UnitBuilder u = l.unit(UnitKind::kSimd, node, "softmax");
  u.fire(flow.tokens());
  const Register in = u.take(scores, kEach);
  const Register s = masked(u, u.scalar_op(TileOpKind::kMulScalar, in, a.scale), a);
  const Register e = u.op(TileOpKind::kExp, {u.op(TileOpKind::kSub, {s, u.op(TileOpKind::kRowMax, {s})})});
  const Register p =
      u.op(TileOpKind::kMul, {e, u.op(TileOpKind::kReciprocal, {u.op(TileOpKind::kRowSum, {e})})});
  return u.emit(p, scores.rows, scores.cols, dtype);
}

Stream values_stage(Lowering& l, const Node& node, const Flow& flow, const Dimensions& a, const Stream& p,
                    const Stream& v, const std::optional<Stream>& cached, DType dtype) {
  UnitBuilder u = l.unit(UnitKind::kGemm, node, "values");
  u.fire(flow.tokens());
  const Register rp = u.take(p, kEach);
  const Register rv = u.take(v, kEach);
  std::optional<Register> rc;
  if (cached) rc = u.take(*cached, kEach);
  Register y = rp;
  if (rc) {
    const int64_t old = p.cols - 1;
    const Register seen =
        u.matmul(u.op(TileOpKind::kSliceCols, {rp}, 0, old), *rc, false, a.heads, a.group());
    const Register now = u.matmul(u.op(TileOpKind::kSliceCols, {rp}, old, 1), rv, false, a.heads, a.group());
    y = u.op(TileOpKind::kAdd, {seen, now});
  } else {
    y = u.matmul(rp, rv, false, a.heads, a.group());
  }
  return u.emit(u.op(TileOpKind::kReshape, {y}, a.q_cols()), flow.rows, a.q_cols(), dtype);
}

void append_to_cache(Lowering& l, ValueId cache, const Stream& rows, const Flow& flow, const Dimensions& a) {
  MemoryStream range;
  range.begin = a.past_tokens;
  range.rows = a.query_tokens;
  range.segments = flow.sequences;
  range.stride = a.capacity;
  range.cols = a.kv_cols();
  range.rows_per_token = flow.rows;
  l.store(cache, rows, range, "");
}

Status check_supported(const Node& node, const Dimensions& a) {
  if (a.past_tokens > 0 && a.query_tokens > 1) {
    return Error{ErrorCode::kUnsupported, node.name,
                 "prefill in chunks (new tokens after cached ones) has no lowering yet",
                 "give the whole prompt in one prefill"};
  }
  if (node.inputs.size() == 5 && a.past_tokens + a.query_tokens > a.capacity) {
    return Error{ErrorCode::kUnsupported, node.name,
                 "a KV cache shorter than the context (ring) has no lowering yet",
                 "give the cache room for the whole context"};
  }
  return {};
}

Status lower(Lowering& l, const Node& node) {
  const Dimensions a(node);
  RDU_CHECK_OK(check_supported(node, a));
  const Flow outer = l.flow(node.inputs[0]);
  const bool decode = a.query_tokens == 1;
  const int64_t sequences = l.graph().batch;
  const Flow flow = decode ? Flow{1, 1, sequences} : outer;
  const bool cache = node.inputs.size() == 5;
  const DType dtype = l.value(node.outputs[0]).dtype;
  const Stream q = decode ? split_rows(l, node, "q", l.activation(node.inputs[0]), sequences)
                          : l.activation(node.inputs[0]);
  Stream k = decode ? split_rows(l, node, "k", l.activation(node.inputs[1]), sequences)
                    : l.activation(node.inputs[1]);
  Stream v = decode ? split_rows(l, node, "v", l.activation(node.inputs[2]), sequences)
                    : l.activation(node.inputs[2]);
  std::optional<Stream> k_old;
  std::optional<Stream> v_old;
  if (cache) {
    k_old = cached_rows(l, node, node.inputs[3], a, sequences);
    v_old = cached_rows(l, node, node.inputs[4], a, sequences);
    append_to_cache(l, node.inputs[3], k, flow, a);
    append_to_cache(l, node.inputs[4], v, flow, a);
  }
  if (!decode) {
    k = accumulate_rows(l, node, "k", k, flow, a.window);
    v = accumulate_rows(l, node, "v", v, flow, a.window);
  }
  const int64_t keys = decode ? 1 + (k_old ? k_old->rows : 0) : k.rows;
  const Stream scores = scores_stage(l, node, flow, a, q, k, k_old, keys);
  const Stream p = softmax_stage(l, node, flow, a, scores, dtype);
  Stream y = values_stage(l, node, flow, a, p, v, v_old, dtype);
  if (decode && sequences > 1) {
    UnitBuilder join = l.unit(UnitKind::kBuffer, node, "join");
    join.fire(sequences);
    const Register in = join.take(y, kEach);
    y = join.emit(in, sequences, a.q_cols(), dtype,
                  {last_of(sequences), Accumulate::kConcatRows, sequences, 0});
  }
  l.define(node.outputs[0], y, outer);
  return {};
}

}  // namespace

const OpRecord kAttentionRecord = {
    .doc =
        "q [m,H*d], k, v [m,K*d], optional k_cache, v_cache [batch*capacity,K*d] -> [m,H*d]: softmax(scale q "
        "k^T + mask) v over cached and new positions; appends k and v to the caches",
    .attributes = {"capacity", "causal", "head_dim", "heads", "kv_heads", "past_tokens", "query_tokens",
                   "scale", "window"},
    .min_inputs = 3,
    .max_inputs = 5,
    .infer = infer,
    .cost = cost,
    .reference = reference,
    .lower = lower,
};

}  // namespace rdusim::compiler
