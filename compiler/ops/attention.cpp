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
//
// Options: scores become cap tanh(score / cap); a table [heads, positions] is added by distance position - u
// (ALiBi, relative buckets); with tree = 1 the table is [query_tokens, query_tokens] and says which new
// tokens see which (Medusa's candidates), all of the cache being seen.
#include "compiler/ops/attention.h"

#include <fmt/format.h>

#include <cmath>
#include <string_view>
#include <utility>
#include <vector>

#include "base/check.h"

namespace rdusim::compiler {

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

namespace {

using Dimensions = AttentionShape;
constexpr size_t kQueries = 0, kKeys = 1, kValues = 2, kKeyCache = 3, kValueCache = 4;

bool has_cache(const Node& node) {
  return node.inputs.size() >= 5;
}
// Operand with the bias by distance or the tree's mask.
std::optional<size_t> table_operand(const Node& node) {
  if (node.inputs.size() != 4 && node.inputs.size() != 6) return std::nullopt;
  return node.inputs.size() - 1;
}
bool is_tree(const Node& node) {
  return integer_or(node, "tree", 0) != 0;
}

Status check_attributes(const Node& node) {
  RDU_CHECK_OK(expect_positive(node, {"head_dim", "heads", "kv_heads", "query_tokens"}));
  for (const std::string_view attribute : {"capacity", "past_tokens", "window", "causal"}) {
    RDU_CHECK_OK(expect_at_least(node, attribute, 0));
  }
  const Dimensions d(node);
  if (d.cap < 0) return operand_error(node, "attribute cap is negative");
  if (d.heads % d.kv_heads != 0) {
    return operand_error(
        node, fmt::format("{} query heads do not divide over {} key/value heads", d.heads, d.kv_heads));
  }
  if (d.window > 0 && !d.causal) return operand_error(node, "a window needs causal attention");
  return {};
}

Status check_caches(const Graph& graph, const Node& node, const Dimensions& d, int64_t batch) {
  if (!has_cache(node)) {
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

Status check_table(const Graph& graph, const Node& node, const Dimensions& d) {
  const std::optional<size_t> at = table_operand(node);
  if (!at && is_tree(node)) return operand_error(node, "attribute tree is set but there is no mask");
  if (!at) return {};
  const Value& table = operand(graph, node, *at);
  if (table.role != SymbolRole::kConstant && table.role != SymbolRole::kWeight)
    return operand_error(node, table.name + " is no table, and there is no value cache for a key cache");
  if (is_tree(node)) {
    if (d.window > 0) return operand_error(node, "a tree has no window");
    RDU_CHECK_OK(expect_rows(node, "tree mask", table, d.query_tokens));
    return expect_cols(node, "tree mask", table, d.query_tokens);
  }
  RDU_CHECK_OK(expect_rows(node, "bias", table, d.heads));
  if (table.shape.cols() >= d.positions()) return {};
  return operand_error(node, fmt::format("bias {} knows {} distances, {} are needed", table.name,
                                         table.shape.cols(), d.positions()));
}

Result<Shape> infer(const Graph& graph, const Node& node) {
  RDU_CHECK_OK(check_attributes(node));
  const Dimensions d(node);
  const Value& q = operand(graph, node, kQueries);
  RDU_CHECK_OK(check_table(graph, node, d));
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

  const std::optional<size_t> at = table_operand(*context.node);
  const Tensor* table = at ? context.inputs[*at] : nullptr;
  const bool tree = is_tree(*context.node);
  std::vector<float> scores;
  for (int64_t u = first; u < end; ++u) {
    const Row key = row_of(context, d, kKeys, kKeyCache, sequence, u);
    float dot = 0;
    for (int64_t c = 0; c < d.head_dim; ++c)
      dot += q.at(query_row, q_col + c) * key.tensor->at(key.row, kv_col + c);
    float score = dot * scale;
    if (d.cap > 0) score = static_cast<float>(d.cap) * std::tanh(score * static_cast<float>(1.0 / d.cap));
    if (tree && u >= d.past_tokens && table->at(position - d.past_tokens, u - d.past_tokens) == 0.0F)
      score = -1e30F;
    if (table != nullptr && !tree) score += table->at(head, position - u);
    scores.push_back(score);
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
  if (has_cache(*context.node)) {
    append(context, d, kKeys, kKeyCache);
    append(context, d, kValues, kValueCache);
  }
  return rounded(context, std::move(result));
}

Status append_to_cache(Lowering& l, const Node& node, size_t cache, const Stream& rows, const Flow& flow,
                       const AttentionShape& a) {
  MemoryStream range;
  range.begin = a.past_tokens;
  range.rows = a.query_tokens;
  range.segments = flow.sequences;
  range.stride = a.capacity;
  range.ring = a.positions() > a.capacity ? a.capacity : 0;
  range.cols = a.kv_cols();
  range.rows_per_token = flow.rows;
  l.store(node.inputs[cache], rows, range, "");
  return {};
}

// Keys or values of the sequence so far, after the cached ones if these are given: each block adds its rows;
// a window forgets what no later row sees. Without causality all of the sequence at once, when its last block
// has come. `passed`: the blocks themselves, which leave only after the cached rows have come, so that what
// writes them to a ring does not overwrite a row before it is read.
struct RowsSoFar {
  Stream all;
  Stream passed;
};
RowsSoFar accumulate_rows(Lowering& l, const Node& node, const char* name, const Stream& rows,
                          const std::optional<Stream>& cached, const Flow& flow, const AttentionShape& a,
                          int64_t gathered) {
  UnitBuilder u = l.unit(UnitKind::kBuffer, node, std::string(name) + "_so_far");
  u.fire(flow.tokens());
  const Register in = u.take(rows, kEach);
  Register source = in;
  if (cached) {
    const Register held = u.take(*cached, first_of(flow.blocks));
    // All cached rows with the first block, none with the others.
    const Register seed = u.op(TileOpKind::kSliceRowsByFiring, {held}, cached->rows, flow.blocks);
    source = u.op(TileOpKind::kConcatRows, {seed, in});
  }
  const int64_t keep = a.window > 0 ? a.window + flow.rows - 1 : 0;
  const int64_t all = flow.rows * flow.blocks + (cached ? cached->rows : 0);
  RowsSoFar out{};
  out.all = u.emit(
      source, keep > 0 ? std::min(keep, all) : all, rows.cols, rows.dtype,
      {a.causal ? last_of(gathered) : last_of(flow.blocks), Accumulate::kConcatRows, flow.blocks, keep});
  out.all.capacity_tokens = 1;
  out.passed = cached ? u.emit(in, flow.rows, rows.cols, rows.dtype) : rows;
  return out;
}

// Gives the stages their keys and values: cached ones, the sequence's so far; appends the new ones to the
// cache.
Status add_cached(Lowering& l, const Node& node, const AttentionShape& a, const Stream& k, const Stream& v,
                  AttentionStages& stages) {
  const Flow& flow = stages.flow;
  const bool decode = a.query_tokens == 1;
  const int64_t begin = a.first_key(a.past_tokens);
  const int64_t old = has_cache(node) ? a.past_tokens - begin : 0;
  if (old > 0) {
    const int64_t sequences = l.graph().batch;
    stages.old_keys = cached_rows(l, node, node.inputs[kKeyCache], begin, old, a.capacity, sequences);
    stages.old_values = cached_rows(l, node, node.inputs[kValueCache], begin, old, a.capacity, sequences);
  }
  Stream new_keys = k;
  Stream new_values = v;
  if (!decode) {
    // Behind a window the cached rows go first into the rows so far, and leave them with the window; where
    // keys come by blocks, so that cached and new ones are blocks of one sequence.
    const bool seeded = (a.window > 0 || stages.key_block > 0) && old > 0;
    const auto seed = [&](std::optional<Stream>& cached) {
      return seeded ? std::exchange(cached, std::nullopt) : std::nullopt;
    };
    const RowsSoFar keys = accumulate_rows(l, node, "k", k, seed(stages.old_keys), flow, a, stages.gathered);
    const RowsSoFar values =
        accumulate_rows(l, node, "v", v, seed(stages.old_values), flow, a, stages.gathered);
    stages.keys = keys.all;
    stages.values = values.all;
    new_keys = keys.passed;
    new_values = values.passed;
    if (seeded && l.graph().batch == 1) stages.first_position = a.past_tokens;
    stages.aligned_at_end = seeded && l.graph().batch > 1;
    if (!a.causal) stages.new_phases = first_of(flow.blocks);
  }
  if (!has_cache(node)) return {};
  RDU_CHECK_OK(append_to_cache(l, node, kKeyCache, new_keys, flow, a));
  return append_to_cache(l, node, kValueCache, new_values, flow, a);
}

// Keys of a block of the running softmax, 0 for whole rows of scores: those are kept where a window or a
// short sequence bounds them, where no position is hidden (every row waits for all keys), and for a tree.
int64_t key_block_of(const Lowering& l, const Node& node, const AttentionShape& a, int64_t rows) {
  if (a.query_tokens == 1 || !a.causal || a.window > 0 || is_tree(node)) return 0;
  return l.key_block(a.positions(), rows * a.heads);
}

// Tokens of queries that meet a block of keys at once: as many as divide a sequence's evenly.
int64_t gathered_tokens(const Lowering& l, const Flow& flow) {
  int64_t best = 1;
  for (int64_t n = 2; n <= flow.blocks && n * flow.rows <= l.query_block(); ++n) {
    if (flow.blocks % n == 0) best = n;
  }
  return best;
}

Status lower(Lowering& l, const Node& node) {
  const AttentionShape a(node);
  const Flow outer = l.flow(node.inputs[kQueries]);
  const int64_t most = gathered_tokens(l, outer);
  const int64_t key_block = key_block_of(l, node, a, most * outer.rows);
  const int64_t gathered = key_block > 0 ? most : 1;
  if (gathered > 1) l.wait_for(gathered);
  const bool decode = a.query_tokens == 1;
  const int64_t sequences = l.graph().batch;
  const Flow flow = decode ? Flow{1, 1, sequences} : outer;
  if (!a.causal && outer.blocks > 1) l.wait_for(outer.blocks);
  const auto rows = [&](size_t operand, const char* name) {
    const Stream all = l.activation(node.inputs[operand]);
    return decode ? split_sequences(l, node, name, all, sequences) : all;
  };
  const Stream q = rows(kQueries, "q");
  const Stream k = rows(kKeys, "k");
  const Stream v = rows(kValues, "v");
  AttentionStages stages{l, node, a, flow};
  stages.q = q;
  stages.keys = k;
  stages.values = v;
  stages.dtype = l.value(node.outputs[0]).dtype;
  stages.key_block = key_block;
  stages.gathered = gathered;
  RDU_CHECK_OK(add_cached(l, node, a, k, v, stages));
  if (const auto at = table_operand(node)) stages.table = l.whole(node.inputs[*at]);
  stages.tree = is_tree(node);
  const Stream y = stages.run();
  l.define(node.outputs[0], decode ? join_sequences(l, node, y, sequences) : y, outer);
  return {};
}

}  // namespace

const OpRecord kAttentionRecord = {
    .doc =
        "q [m,H*d], k, v [m,K*d], optional k_cache, v_cache [batch*capacity,K*d], optional bias "
        "[H,distances] or tree mask [T,T] -> [m,H*d]: softmax(scale q "
        "k^T + mask) v over cached and new positions; appends k and v to the caches",
    .attributes = {"capacity", "causal", "head_dim", "heads", "kv_heads", "past_tokens", "query_tokens",
                   "scale", "window"},
    .min_inputs = 3,
    .max_inputs = 6,
    .infer = infer,
    .cost = cost,
    .reference = reference,
    .lower = lower,
    .optional_attributes = {"cap", "tree"},
};

}  // namespace rdusim::compiler
