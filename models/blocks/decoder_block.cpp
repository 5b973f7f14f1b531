// See decoder_block.h.
#include "models/blocks/decoder_block.h"

#include <fmt/format.h>

namespace rdusim::models {

using compiler::OpKind;

namespace {

Result<RopeScaling> parse_llama3_scaling(ConfigReader& reader) {
  constexpr double kMost = 1e9;
  RopeScaling scaling;
  scaling.kind = RopeScaling::Kind::kLlama3;
  RDU_ASSIGN(scaling.factor, reader.real("factor", 1, kMost));
  RDU_ASSIGN(scaling.low_freq_factor, reader.real("low_freq_factor", 1e-9, kMost));
  RDU_ASSIGN(scaling.high_freq_factor, reader.real("high_freq_factor", 1e-9, kMost));
  RDU_ASSIGN(scaling.original_positions, reader.real("original_max_position_embeddings", 1, kMost));
  return scaling;
}

Result<RopeScaling> parse_rope_scaling(const DocumentNode& node) {
  ConfigReader reader(node);
  const char* const type_key = node.find("rope_type") != nullptr ? "rope_type" : "type";
  RDU_ASSIGN(const std::string type, reader.one_of(type_key, {"default", "linear", "llama3"}));
  reader.ignore({"type", "rope_type"});  // some configs carry both spellings
  RopeScaling scaling;
  if (type == "linear") {
    scaling.kind = RopeScaling::Kind::kLinear;
    RDU_ASSIGN(scaling.factor, reader.real("factor", 1, 1e9));
  }
  if (type == "llama3") {
    RDU_ASSIGN(scaling, parse_llama3_scaling(reader));
    if (scaling.high_freq_factor <= scaling.low_freq_factor) {
      return config_error(node, ErrorCode::kOutOfRange, "high_freq_factor is not above low_freq_factor");
    }
  }
  RDU_CHECK_OK(reader.finish());
  return scaling;
}

}  // namespace

void ignore_harmless(ConfigReader& reader) {
  reader.ignore({"model_type", "architectures", "attention_dropout", "hidden_dropout", "initializer_range",
                 "initializer_factor", "bos_token_id", "eos_token_id", "pad_token_id",
                 "max_position_embeddings", "pretraining_tp", "torch_dtype", "dtype", "use_cache",
                 "transformers_version", "_name_or_path"});
}

Status parse_heads(ConfigReader& reader, const DocumentNode& config, DecoderConfig& decoder) {
  RDU_ASSIGN(decoder.heads, reader.integer("num_attention_heads", 1, kMaxWidth));
  RDU_ASSIGN(decoder.kv_heads, reader.positive_or("num_key_value_heads", decoder.heads));
  if (decoder.heads % decoder.kv_heads != 0) {
    return config_error(config, ErrorCode::kInvalidInput,
                        fmt::format("num_attention_heads {} is not a multiple of num_key_value_heads {}",
                                    decoder.heads, decoder.kv_heads));
  }
  if (reader.optional("head_dim") != nullptr) {
    RDU_ASSIGN(decoder.head_dim, reader.integer("head_dim", 2, kMaxWidth / decoder.heads));
  } else if (decoder.hidden % decoder.heads != 0) {
    return config_error(config, ErrorCode::kInvalidInput,
                        fmt::format("hidden_size {} is not a multiple of num_attention_heads {}",
                                    decoder.hidden, decoder.heads),
                        "or give head_dim");
  } else {
    decoder.head_dim = decoder.hidden / decoder.heads;
  }
  if (decoder.head_dim % 2 == 0) return {};
  return config_error(config, ErrorCode::kInvalidInput, fmt::format("head_dim {} is odd", decoder.head_dim),
                      "rotary positions work on pairs");
}

Status parse_decoder(ConfigReader& reader, const DocumentNode& config, DecoderConfig& decoder) {
  RDU_ASSIGN(decoder.hidden, reader.integer("hidden_size", 1, kMaxWidth));
  RDU_ASSIGN(decoder.intermediate, reader.integer("intermediate_size", 1, kMaxWidth));
  RDU_ASSIGN(decoder.layers, reader.integer("num_hidden_layers", 1, kMaxLayers));
  RDU_ASSIGN(decoder.vocabulary, reader.integer("vocab_size", 1, kMaxVocabulary));
  RDU_ASSIGN(decoder.norm_eps, reader.real("rms_norm_eps", 0, 1));
  RDU_ASSIGN(decoder.tied_embeddings, reader.boolean_or("tie_word_embeddings", decoder.tied_embeddings));
  RDU_CHECK_OK(parse_heads(reader, config, decoder));
  RDU_ASSIGN(decoder.rope.theta, reader.real_or("rope_theta", 10000.0, 1, 1e12));
  if (const DocumentNode* scaling = reader.optional("rope_scaling")) {
    RDU_ASSIGN(decoder.rope.scaling, parse_rope_scaling(*scaling));
  }
  ignore_harmless(reader);
  return {};
}

DecoderSize decoder_size(const DecoderConfig& c) {
  DecoderSize size;
  size.hidden = c.hidden;
  size.layers = c.layers;
  size.vocabulary = c.vocabulary;
  size.attention_width = c.layers * c.heads * c.head_dim;
  size.has_head = c.has_head;
  size.embedding_tensor = c.tensor_prefix + "embed_tokens.weight";
  if (!c.tied_embeddings) size.head_tensor = c.head_prefix + "lm_head.weight";
  return size;
}

Counts decoder_counts(const DecoderConfig& c) {
  const int64_t attention = 2 * c.hidden * c.heads * c.head_dim + 2 * c.hidden * c.kv_heads * c.head_dim;
  const int64_t biases = c.qkv_bias ? (c.heads + 2 * c.kv_heads) * c.head_dim : 0;
  const int64_t gated = 3 * c.hidden * c.intermediate;
  const int64_t norms = 2 * c.hidden;
  const int64_t table = c.vocabulary * c.hidden;
  const int64_t head = c.has_head ? table : 0;
  Counts counts;
  counts.total =
      table + (c.tied_embeddings ? 0 : head) + c.layers * (attention + biases + gated + norms) + c.hidden;
  counts.active = counts.total;  // dense: every parameter is read for every token
  counts.macs = c.layers * (attention + gated) + head;
  counts.kv = c.layers * 2 * c.kv_heads * c.head_dim;
  return counts;
}

std::string layer_tensor(const DecoderConfig& config, int64_t layer, const std::string& name) {
  return fmt::format("{}layers.{}.{}", config.tensor_prefix, layer, name);
}

ValueId self_attention(Net& net, const DecoderConfig& c, int64_t layer, ValueId x) {
  const ValueId normed =
      net.rms_norm("attention_norm", x, layer_tensor(c, layer, "input_layernorm.weight"), c.norm_eps);
  const auto project = [&](const std::string& name, int64_t outputs) {
    const std::string tensor = layer_tensor(c, layer, "self_attn." + name + "_proj");
    return net.linear(name, normed, outputs, tensor + ".weight", c.qkv_bias ? tensor + ".bias" : "",
                      "w" + name);
  };
  const ValueId q = project("q", c.heads * c.head_dim);
  const ValueId k = project("k", c.kv_heads * c.head_dim);
  const ValueId v = project("v", c.kv_heads * c.head_dim);
  const ValueId q_rotated = net.rotate("q_rotated", q, c.head_dim, c.rope);
  const ValueId k_rotated = net.rotate("k_rotated", k, c.head_dim, c.rope);
  AttentionSpec spec;
  spec.heads = c.heads;
  spec.kv_heads = c.kv_heads;
  spec.head_dim = c.head_dim;
  spec.window = c.window;
  const ValueId mixed = net.attend("attention", layer, {q_rotated, k_rotated, v}, spec);
  return net.linear("attention_out", mixed, c.hidden, layer_tensor(c, layer, "self_attn.o_proj.weight"), "",
                    "wo");
}

ValueId gated_mlp(Net& net, const DecoderConfig& c, int64_t layer, ValueId x) {
  const ValueId gate =
      net.linear("gate", x, c.intermediate, layer_tensor(c, layer, "mlp.gate_proj.weight"), "", "w_gate");
  const ValueId up =
      net.linear("up", x, c.intermediate, layer_tensor(c, layer, "mlp.up_proj.weight"), "", "w_up");
  const ValueId inner = net.op(OpKind::kSwiGlu, "swiglu", {gate, up});
  return net.linear("mlp_out", inner, c.hidden, layer_tensor(c, layer, "mlp.down_proj.weight"), "", "w_down");
}

ValueId decoder_layer(Net& net, const DecoderConfig& c, int64_t layer, ValueId x) {
  const ValueId mixed = net.add("attention_residual", x, self_attention(net, c, layer, x));
  const ValueId normed =
      net.rms_norm("mlp_norm", mixed, layer_tensor(c, layer, "post_attention_layernorm.weight"), c.norm_eps);
  return finish_layer(net, layer, mixed, gated_mlp(net, c, layer, normed));
}

}  // namespace rdusim::models
