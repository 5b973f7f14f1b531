// Blocks of pre-norm decoders with rotary positions, grouped-query attention and gated MLPs (Llama and its
// relatives):
//
//   x ─┬─ rms_norm ── wq, wk, wv ── rope ── attention ── wo ── (+) ─┬─ rms_norm ── w_gate, w_up ── swiglu ──
//   w_down ── (+) ── x
//      └────────────────────────────────────────────────────────┘
//      └────────────────────────────────────────────────┘
//
// A family reads its config into DecoderConfig and puts the blocks together; tensor names are those of the
// Hugging Face classes. Rows are tokens, [batch * query_tokens, hidden], throughout.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "compiler/graph/graph.h"
#include "models/constants.h"
#include "models/model.h"

namespace rdusim::models {

struct DecoderConfig {
  int64_t hidden = 0;
  int64_t layers = 0;
  int64_t heads = 0;
  int64_t kv_heads = 0;
  int64_t head_dim = 0;
  int64_t intermediate = 0;
  int64_t vocabulary = 0;
  double norm_eps = 0;
  RopeParameters rope;
  int64_t window = 0;  // keys a query sees, itself included; 0: all
  bool tied_embeddings = false;
  bool has_head = true;       // false: an embedding model without vocabulary projection
  std::string tensor_prefix;  // "model." or "" before "layers.0..."
};

// Parameters and what follows from them (weights and cache in BF16).
ModelFacts decoder_facts(const DecoderConfig& config);
// Upper estimate of a run's work, for refusing absurd requests: every parameter and every (query, key) pair.
double decoder_flops(const DecoderConfig& config, const GraphRequest& request);

// A decoder graph while it grows. `config` and `request` outlive it.
struct DecoderBuild {
  const DecoderConfig& config;
  const GraphRequest& request;
  compiler::GraphBuilder builder;
  int64_t capacity = 0;  // cache rows a sequence; 0: no cache (embedding)
  ValueId rope_table;
  ValueId embedding_table;

  DecoderBuild(const DecoderConfig& decoder, const GraphRequest& wanted, const std::string& graph_name);
  // A weight [rows, cols] called `name` in the graph, `tensor` in the weights file.
  ValueId weight(std::string name, int64_t rows, int64_t cols, const std::string& tensor);
};

// Token ids to rows of the embedding table: "layer_hidden.0".
Result<ValueId> embed_tokens(DecoderBuild& build);
// One decoder layer, "layer_hidden.<layer + 1>"; its nodes carry the layer's number.
Result<ValueId> decoder_layer(DecoderBuild& build, int64_t layer, ValueId x);
// RMSNorm with a gain of its own, "<name>"; the gain is "<name>.gain".
Result<ValueId> norm(DecoderBuild& build, const std::string& name, ValueId x, const std::string& tensor);
// Logits in FP32 over the embedding table if tied, else over "lm_head.weight".
Result<ValueId> language_head(DecoderBuild& build, ValueId x);

}  // namespace rdusim::models
