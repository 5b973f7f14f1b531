// A small decoder layer stack for compiler and simulator tests: the Llama block at toy sizes, built straight
// from operators so that tests need no model family.
#pragma once

#include <string>

#include "base/check.h"
#include "compiler/graph/graph.h"

namespace rdusim::compiler::testing {

struct DecoderSpec {
  int64_t layers = 2;
  int64_t width = 64;
  int64_t heads = 4;
  int64_t kv_heads = 2;
  int64_t head_dim = 16;
  int64_t mlp = 96;
  int64_t vocabulary = 101;
  int64_t batch = 1;
  int64_t query = 1;
  int64_t past = 5;
  int64_t window = 0;
  DType activations = DType::kBf16;
};

class DecoderGraph {
 public:
  explicit DecoderGraph(const DecoderSpec& spec) : spec_(spec), builder_(header(spec)) {
    builder_.set_activation_dtype(spec.activations);
  }

  Graph build() && {
    const int64_t rows = spec_.batch * spec_.query;
    const ValueId ids =
        builder_.add_source("token_ids", {{rows, 1}}, DType::kInt32, SymbolRole::kInput, "token_ids");
    const ValueId rope = builder_.add_source("rope_table", {{spec_.past + spec_.query, spec_.head_dim}},
                                             DType::kFp32, SymbolRole::kConstant, "rope_table");
    ValueId x =
        add(OpKind::kEmbedding, "embed", {ids, weight("embed_tokens", spec_.vocabulary, spec_.width)});
    for (int64_t i = 0; i < spec_.layers; ++i) x = layer(i, x, rope);
    builder_.set_layer(std::nullopt);
    if (spec_.query > 1) x = add(OpKind::kLastToken, "last", {x}, {{"query_tokens", spec_.query}});
    x = add(OpKind::kRmsNorm, "norm", {x, weight("g_last", 1, spec_.width)}, {{"eps", 1e-5}});
    x = add(OpKind::kLinear, "logits", {x, weight("lm_head", spec_.vocabulary, spec_.width)});
    builder_.set_role(x, SymbolRole::kOutput);
    builder_.set_dtype(x, DType::kFp32);
    return std::move(builder_).take();
  }

 private:
  static Graph header(const DecoderSpec& spec) {
    Graph graph;
    graph.name = "toy";
    graph.phase = spec.query == 1 ? "decode" : "prefill";
    graph.batch = spec.batch;
    graph.query_tokens = spec.query;
    graph.past_tokens = spec.past;
    return graph;
  }

  ValueId weight(const std::string& name, int64_t rows, int64_t cols) {
    return builder_.add_source(name, {{rows, cols}}, DType::kBf16, SymbolRole::kWeight, name);
  }

  ValueId add(OpKind op, const std::string& name, std::vector<ValueId> inputs,
              std::vector<Attribute> attributes = {}) {
    auto id = builder_.add(op, name, std::move(inputs), std::move(attributes));
    RDU_CHECK(id.ok(), "{}", id.error().to_string());
    return *id;
  }

  ValueId layer(int64_t i, ValueId x, ValueId rope) {
    builder_.set_layer(i);
    const std::string p = "layers." + std::to_string(i) + ".";
    const int64_t q_cols = spec_.heads * spec_.head_dim;
    const int64_t kv_cols = spec_.kv_heads * spec_.head_dim;
    const std::vector<Attribute> rope_at{
        {"head_dim", spec_.head_dim}, {"past_tokens", spec_.past}, {"query_tokens", spec_.query}};
    const ValueId n1 =
        add(OpKind::kRmsNorm, p + "norm1", {x, weight(p + "g1", 1, spec_.width)}, {{"eps", 1e-5}});
    const ValueId q = add(OpKind::kLinear, p + "q", {n1, weight(p + "wq", q_cols, spec_.width)});
    const ValueId k = add(OpKind::kLinear, p + "k", {n1, weight(p + "wk", kv_cols, spec_.width)});
    const ValueId v = add(OpKind::kLinear, p + "v", {n1, weight(p + "wv", kv_cols, spec_.width)});
    const ValueId qr = add(OpKind::kRope, p + "q_rope", {q, rope}, rope_at);
    const ValueId kr = add(OpKind::kRope, p + "k_rope", {k, rope}, rope_at);
    const int64_t capacity = spec_.past + spec_.query;
    const Shape cache{{spec_.batch * capacity, kv_cols}};
    const std::string n = std::to_string(i);
    const ValueId kc =
        builder_.add_source("k_cache." + n, cache, spec_.activations, SymbolRole::kKvCache, "k_cache." + n);
    const ValueId vc =
        builder_.add_source("v_cache." + n, cache, spec_.activations, SymbolRole::kKvCache, "v_cache." + n);
    const ValueId a = add(OpKind::kAttention, p + "attention", {qr, kr, v, kc, vc},
                          {{"capacity", capacity},
                           {"causal", int64_t{1}},
                           {"head_dim", spec_.head_dim},
                           {"heads", spec_.heads},
                           {"kv_heads", spec_.kv_heads},
                           {"past_tokens", spec_.past},
                           {"query_tokens", spec_.query},
                           {"scale", 0.25},
                           {"window", spec_.window}});
    const ValueId o = add(OpKind::kLinear, p + "o", {a, weight(p + "wo", spec_.width, q_cols)});
    const ValueId x1 = add(OpKind::kAdd, p + "add1", {x, o});
    const ValueId n2 =
        add(OpKind::kRmsNorm, p + "norm2", {x1, weight(p + "g2", 1, spec_.width)}, {{"eps", 1e-5}});
    const ValueId g = add(OpKind::kLinear, p + "gate", {n2, weight(p + "wg", spec_.mlp, spec_.width)});
    const ValueId u = add(OpKind::kLinear, p + "up", {n2, weight(p + "wu", spec_.mlp, spec_.width)});
    const ValueId m = add(OpKind::kSwiGlu, p + "swiglu", {g, u});
    const ValueId d = add(OpKind::kLinear, p + "down", {m, weight(p + "wd", spec_.width, spec_.mlp)});
    return add(OpKind::kAdd, p + "add2", {x1, d});
  }

  DecoderSpec spec_;
  GraphBuilder builder_;
};

inline Graph decoder_graph(const DecoderSpec& spec) {
  return DecoderGraph(spec).build();
}

}  // namespace rdusim::compiler::testing
