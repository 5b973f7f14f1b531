// cross_attention: attention over keys and values that another graph left in the cache (the encoder's), all
// of them visible to every query; nothing is appended. Row b * query_tokens + t belongs to sequence b, whose
// keys are rows [b * capacity, b * capacity + keys) of the caches. Scale and grouping as in attention.
#include <fmt/format.h>

#include "base/check.h"
#include "compiler/ops/attention.h"

namespace rdusim::compiler {
namespace {

Result<Shape> infer(const Graph& graph, const Node& node) {
  RDU_CHECK_OK(expect_positive(node, {"capacity", "head_dim", "heads", "keys", "kv_heads", "query_tokens"}));
  const AttentionShape a(node);
  const Value& q = operand(graph, node, 0);
  if (a.heads % a.kv_heads != 0) return operand_error(node, "query heads do not divide over key/value heads");
  if (node.integer("keys") > a.capacity) return operand_error(node, "keys is above capacity");
  RDU_CHECK_OK(expect_cols(node, "queries", q, a.q_cols()));
  if (q.shape.rows() % a.query_tokens != 0) {
    return operand_error(node, fmt::format("{} rows of {} are not whole sequences of {}", q.shape.rows(),
                                           q.name, a.query_tokens));
  }
  for (const size_t i : {size_t{1}, size_t{2}}) {
    const Value& cache = operand(graph, node, i);
    if (cache.role != SymbolRole::kKvCache) return operand_error(node, cache.name + " is not a KV cache");
    RDU_CHECK_OK(expect_rows(node, "cache", cache, q.shape.rows() / a.query_tokens * a.capacity));
    RDU_CHECK_OK(expect_cols(node, "cache", cache, a.kv_cols()));
  }
  return matrix(q.shape.rows(), q.shape.cols());
}

// Scores and values: 4 d FLOPs for each head and (query, key) pair.
OpCost cost(const Graph& graph, const Node& node) {
  const AttentionShape a(node);
  return OpCost{4 * a.q_cols() * operand(graph, node, 0).shape.rows() * node.integer("keys"), 0};
}

Tensor reference(const ReferenceContext& context) {
  const AttentionShape a(*context.node);
  const int64_t keys = context.node->integer("keys");
  const Tensor& q = *context.inputs[0];
  const Tensor& k = *context.inputs[1];
  const Tensor& v = *context.inputs[2];
  const bool round = rounds(context, context.graph->value(context.node->inputs[2]).dtype);
  Tensor result(q.rows(), q.cols());
  for (int64_t r = 0; r < q.rows(); ++r) {
    const int64_t first = r / a.query_tokens * a.capacity;
    for (int64_t head = 0; head < a.heads; ++head) {
      const int64_t q_col = head * a.head_dim;
      const int64_t kv_col = head / a.group() * a.head_dim;
      std::vector<float> scores;
      for (int64_t u = 0; u < keys; ++u) {
        float dot = 0;
        for (int64_t c = 0; c < a.head_dim; ++c) dot += q.at(r, q_col + c) * k.at(first + u, kv_col + c);
        scores.push_back(dot * static_cast<float>(a.scale));
      }
      const std::vector<float> probabilities = softmax(std::move(scores));
      for (int64_t u = 0; u < keys; ++u) {
        const float exact = probabilities[static_cast<size_t>(u)];
        const float p = round ? round_to_bf16(exact) : exact;
        for (int64_t c = 0; c < a.head_dim; ++c) result.at(r, q_col + c) += p * v.at(first + u, kv_col + c);
      }
    }
  }
  return rounded(context, std::move(result));
}

Status lower(Lowering& l, const Node& node) {
  const AttentionShape a(node);
  const Flow outer = l.flow(node.inputs[0]);
  const bool decode = a.query_tokens == 1;
  const int64_t sequences = l.graph().batch;
  const Flow flow = decode ? Flow{1, 1, sequences} : outer;
  const Stream all = l.activation(node.inputs[0]);
  AttentionStages stages{l, node, a, flow};
  stages.q = decode ? split_sequences(l, node, "q", all, sequences) : all;
  const int64_t keys = node.integer("keys");
  stages.keys = cached_rows(l, node, node.inputs[1], 0, keys, a.capacity, sequences);
  stages.values = cached_rows(l, node, node.inputs[2], 0, keys, a.capacity, sequences);
  stages.new_phases = first_of(flow.blocks);
  stages.dtype = l.value(node.outputs[0]).dtype;
  const Stream y = stages.run();
  l.define(node.outputs[0], decode ? join_sequences(l, node, y, sequences) : y, outer);
  return {};
}

}  // namespace

const OpRecord kCrossAttentionRecord = {
    .doc =
        "q [m,H*d], k_cache, v_cache [batch*capacity,K*d] -> [m,H*d]: softmax(scale q k^T) v over the first "
        "`keys` rows of each sequence's cache",
    .attributes = {"capacity", "head_dim", "heads", "keys", "kv_heads", "query_tokens", "scale"},
    .min_inputs = 3,
    .max_inputs = 3,
    .infer = infer,
    .cost = cost,
    .reference = reference,
    .lower = lower,
};

}  // namespace rdusim::compiler
