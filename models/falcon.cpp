// Falcon (model_type falcon), both published forms: attention and MLP side by side on one residual, LayerNorm
// with bias, rotary positions, exact GELU without biases, tied head.
//   7B style    one norm for both; queries of all heads, then one key and one value head, in one packed
//   projection 40B style   (new_decoder_architecture) a norm each; the packed projection has a group a
//   key/value head: its
//               queries, its key, its value
// Keys, defaults and tensor names as in the Hugging Face class FalconForCausalLM.
#include <fmt/format.h>

#include "models/blocks/decoder_block.h"
#include "models/derived.h"
#include "models/model.h"

namespace rdusim::models {
namespace {

struct FalconConfig {
  DecoderConfig decoder;
  bool two_norms = false;
};

DecoderSize falcon_size(const FalconConfig& c) {
  DecoderSize size = decoder_size(c.decoder);
  size.embedding_tensor = "transformer.word_embeddings.weight";
  size.head_tensor = c.decoder.tied_embeddings ? "" : "lm_head.weight";
  return size;
}

class FalconModel : public DecoderModel {
 public:
  FalconModel(const std::string& name, const FalconConfig& config)
      : DecoderModel(name, "falcon", falcon_size(config)), config_(config) {}

 protected:
  [[nodiscard]] Counts counts() const override {
    const DecoderConfig& c = config_.decoder;
    const int64_t attention =
        c.hidden * (c.heads + 2 * c.kv_heads) * c.head_dim + c.heads * c.head_dim * c.hidden;
    const int64_t mlp = 2 * c.hidden * c.intermediate;
    const int64_t norms = (config_.two_norms ? 4 : 2) * c.hidden;
    const int64_t table = c.vocabulary * c.hidden;
    Counts counts;
    counts.total = (c.tied_embeddings ? 1 : 2) * table + c.layers * (attention + mlp + norms) + 2 * c.hidden;
    counts.active = counts.total;
    counts.macs = c.layers * (attention + mlp) + table;
    counts.kv = c.layers * 2 * c.kv_heads * c.head_dim;
    return counts;
  }

  ValueId layer(Net& net, int64_t layer, ValueId x) const override {
    const DecoderConfig& c = config_.decoder;
    const std::string tensor = fmt::format("transformer.h.{}.", layer);
    const auto norm = [&](const std::string& name, const std::string& of) {
      return net.layer_norm(name, x, tensor + of + ".weight", tensor + of + ".bias", c.norm_eps);
    };
    const ValueId first = norm("attention_norm", config_.two_norms ? "ln_attn" : "input_layernorm");
    const ValueId second = config_.two_norms ? norm("mlp_norm", "ln_mlp") : first;
    const ValueId attended = attention(net, tensor, layer, first);
    const ValueId up =
        net.linear("up", second, c.intermediate, tensor + "mlp.dense_h_to_4h.weight", "", "w_up");
    const ValueId inner = net.activation("gelu", up, compiler::ActivationForm::kGelu);
    const ValueId out =
        net.linear("mlp_out", inner, c.hidden, tensor + "mlp.dense_4h_to_h.weight", "", "w_down");
    return finish_layer(net, layer, x, net.add("both", attended, out));
  }

  ValueId final_norm(Net& net, const std::string& name, ValueId x) const override {
    return net.layer_norm(name, x, "transformer.ln_f.weight", "transformer.ln_f.bias",
                          config_.decoder.norm_eps);
  }

 private:
  ValueId attention(Net& net, const std::string& tensor, int64_t layer, ValueId x) const {
    const DecoderConfig& c = config_.decoder;
    const std::string packed = tensor + "self_attention.query_key_value.weight";
    const int64_t group = c.heads / c.kv_heads;
    const int64_t period = (group + 2) * c.head_dim;
    const auto project = [&](const std::string& name, int64_t begin, int64_t heads) {
      return net.linear(name, x, heads * c.kv_heads * c.head_dim,
                        part_source(packed, begin * c.head_dim, heads * c.head_dim, period), "", "w" + name);
    };
    const ValueId q = net.rotate("q_rotated", project("q", 0, group), c.head_dim, c.rope);
    const ValueId k = net.rotate("k_rotated", project("k", group, 1), c.head_dim, c.rope);
    const ValueId v = project("v", group + 1, 1);
    AttentionSpec spec;
    spec.heads = c.heads;
    spec.kv_heads = c.kv_heads;
    spec.head_dim = c.head_dim;
    const ValueId mixed = net.attend("attention", layer, {q, k, v}, spec);
    return net.linear("attention_out", mixed, c.hidden, tensor + "self_attention.dense.weight", "", "wo");
  }

  FalconConfig config_;
};

// How many key/value heads there are depends on three keys; the middle form (many heads, not grouped) packs
// in another way and was never released.
Status parse_key_value_heads(ConfigReader& reader, const DocumentNode& config, FalconConfig& falcon) {
  DecoderConfig& c = falcon.decoder;
  RDU_ASSIGN(falcon.two_norms, reader.boolean_or("new_decoder_architecture", false));
  RDU_ASSIGN(const bool multi_query, reader.boolean_or("multi_query", true));
  RDU_ASSIGN(const int64_t kv_heads, reader.positive_or("num_kv_heads", c.heads));
  if (!falcon.two_norms && !multi_query) {
    return config_error(config, ErrorCode::kUnsupported, "neither new_decoder_architecture nor multi_query",
                        "the 7B style has multi_query, the 40B style new_decoder_architecture");
  }
  c.kv_heads = falcon.two_norms ? kv_heads : 1;
  if (c.heads % c.kv_heads == 0) return {};
  return config_error(
      config, ErrorCode::kInvalidInput,
      fmt::format("num_attention_heads {} is not a multiple of num_kv_heads {}", c.heads, c.kv_heads));
}

}  // namespace

Result<std::unique_ptr<Model>> make_falcon(const std::string& name, const DocumentNode& config) {
  ConfigReader reader(config);
  FalconConfig falcon;
  DecoderConfig& c = falcon.decoder;
  RDU_ASSIGN(const std::string architecture, reader.one_of("architectures", {"FalconForCausalLM"}));
  RDU_ASSIGN(c.hidden, reader.integer("hidden_size", 1, kMaxWidth / 4));
  RDU_ASSIGN(c.layers, reader.integer("num_hidden_layers", 1, kMaxLayers));
  RDU_ASSIGN(c.vocabulary, reader.integer("vocab_size", 1, kMaxVocabulary));
  RDU_ASSIGN(c.norm_eps, reader.real("layer_norm_epsilon", 0, 1));
  RDU_ASSIGN(c.tied_embeddings, reader.boolean_or("tie_word_embeddings", true));
  RDU_ASSIGN(c.intermediate, reader.positive_or("ffn_hidden_size", 4 * c.hidden));
  RDU_CHECK_OK(parse_heads(reader, config, c));
  RDU_CHECK_OK(parse_key_value_heads(reader, config, falcon));
  RDU_ASSIGN(c.rope.theta, reader.real_or("rope_theta", 10000.0, 1, 1e12));
  for (const auto& [key, value] : std::initializer_list<std::pair<const char*, const char*>>{
           {"parallel_attn", "true"},
           {"alibi", "false"},
           {"bias", "false"},
           {"activation", "gelu"},
           {"apply_residual_connection_post_layernorm", "false"}}) {
    RDU_CHECK_OK(reader.must_be_if_present(key, value));
  }
  if (const DocumentNode* scaling = reader.optional("rope_scaling"))
    return config_error(*scaling, ErrorCode::kUnsupported, "rope_scaling is set", "Falcon has none");
  ignore_harmless(reader);
  RDU_CHECK_OK(reader.finish());
  return std::unique_ptr<Model>(std::make_unique<FalconModel>(name, falcon));
}

}  // namespace rdusim::models
