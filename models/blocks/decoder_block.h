// Blocks of pre-norm decoders with rotary positions, grouped-query attention and gated MLPs (Llama and its
// relatives):
//
//   x ─┬─ rms_norm ── wq, wk, wv ── rope ── attention ── wo ── (+) ─┬─ rms_norm ── w_gate, w_up ── swiglu ──
//   w_down ── (+)
//      └───────────────────────────────────────────────────────┘
//      └───────────────────────────────────────────┘
//
// Keys of the config and tensor names are those of the Hugging Face classes.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "models/blocks/decoder.h"
#include "models/config_reader.h"

namespace rdusim::models {

// Bounds that keep every count of parameters and FLOPs far below 2^63; an order of magnitude above any
// published model.
inline constexpr int64_t kMaxWidth = int64_t{1} << 20;
inline constexpr int64_t kMaxLayers = int64_t{1} << 12;
inline constexpr int64_t kMaxVocabulary =
    (int64_t{1} << 24) - 1;  // token ids stay exact in FP32 (base/tensor.h)
inline constexpr int64_t kMaxWindow = int64_t{1} << 30;

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
  bool qkv_bias = false;
  bool tied_embeddings = false;
  bool has_head = true;       // false: an embedding model without vocabulary projection
  std::string tensor_prefix;  // "model." or "" before "layers.0..."
  std::string head_prefix;    // before "lm_head.weight"
};

// hidden_size, intermediate_size, num_hidden_layers, vocab_size, rms_norm_eps, tie_word_embeddings, heads,
// rope_theta, rope_scaling; and the keys that no decoder's arithmetic depends on.
Status parse_decoder(ConfigReader& reader, const DocumentNode& config, DecoderConfig& decoder);
// num_attention_heads, num_key_value_heads, head_dim.
Status parse_heads(ConfigReader& reader, const DocumentNode& config, DecoderConfig& decoder);
// Dropout and initialisation matter in training only; token ids and lengths to the caller; pretraining_tp
// changes the order of sums, not the result; weights are computed as stored, whatever type they were released
// in.
void ignore_harmless(ConfigReader& reader);

DecoderSize decoder_size(const DecoderConfig& config);
Counts decoder_counts(const DecoderConfig& config);

// Norm, projections, rotation, attention and output projection of one layer: what is added to x.
ValueId self_attention(Net& net, const DecoderConfig& config, int64_t layer, ValueId x);
// Tensor names within layer `layer`: "model.layers.3." + name.
std::string layer_tensor(const DecoderConfig& config, int64_t layer, const std::string& name);
// The gated MLP of x, already normed: what is added to the residual.
ValueId gated_mlp(Net& net, const DecoderConfig& config, int64_t layer, ValueId x);
// One whole layer.
ValueId decoder_layer(Net& net, const DecoderConfig& config, int64_t layer, ValueId x);

}  // namespace rdusim::models
