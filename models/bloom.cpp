// BLOOM (model_type bloom): LayerNorm after the embedding and before each sublayer, ALiBi instead of position
// embeddings, biases everywhere, tanh GELU, tied head. The packed projection has a query, a key and a value a
// head. Published checkpoints name tensors without the "transformer." that the Hugging Face class
// BloomForCausalLM has; either is found (WeightSource).
#include <fmt/format.h>

#include "models/blocks/decoder_block.h"
#include "models/derived.h"
#include "models/model.h"

namespace rdusim::models {
namespace {

DecoderSize bloom_size(const DecoderConfig& c) {
  DecoderSize size = decoder_size(c);
  size.embedding_tensor = "transformer.word_embeddings.weight";
  return size;
}

class BloomModel : public DecoderModel {
 public:
  BloomModel(const std::string& name, const DecoderConfig& config)
      : DecoderModel(name, "bloom", bloom_size(config)), config_(config) {}

 protected:
  [[nodiscard]] Counts counts() const override {
    const int64_t h = config_.hidden;
    const int64_t products = 4 * h * h + 2 * h * config_.intermediate;
    const int64_t biases = 3 * h + h + config_.intermediate + h;
    const int64_t table = config_.vocabulary * h;
    Counts counts;
    counts.total = table + 2 * h + config_.layers * (products + biases + 4 * h) + 2 * h;
    counts.active = counts.total;
    counts.macs = config_.layers * products + table;
    counts.kv = config_.layers * 2 * h;
    return counts;
  }

  ValueId embed(Net& net) const override {
    return norm(net, "layer_hidden.0", token_rows(net, "embedded"), "transformer.word_embeddings_layernorm");
  }

  ValueId layer(Net& net, int64_t layer, ValueId x) const override {
    const std::string tensor = fmt::format("transformer.h.{}.", layer);
    const ValueId normed = norm(net, "attention_norm", x, tensor + "input_layernorm");
    const ValueId mixed = net.add("attention_residual", x, attention(net, tensor, layer, normed));
    const ValueId second = norm(net, "mlp_norm", mixed, tensor + "post_attention_layernorm");
    const std::string up_tensor = tensor + "mlp.dense_h_to_4h.";
    const std::string down_tensor = tensor + "mlp.dense_4h_to_h.";
    const ValueId up =
        net.linear("up", second, config_.intermediate, up_tensor + "weight", up_tensor + "bias", "w_up");
    const ValueId inner = net.activation("gelu", up, compiler::ActivationForm::kGeluTanh);
    const ValueId out =
        net.linear("mlp_out", inner, config_.hidden, down_tensor + "weight", down_tensor + "bias", "w_down");
    return finish_layer(net, layer, mixed, out);
  }

  ValueId final_norm(Net& net, const std::string& name, ValueId x) const override {
    return norm(net, name, x, "transformer.ln_f");
  }

 private:
  ValueId norm(Net& net, const std::string& name, ValueId x, const std::string& tensor) const {
    return net.layer_norm(name, x, tensor + ".weight", tensor + ".bias", config_.norm_eps);
  }

  ValueId attention(Net& net, const std::string& tensor, int64_t layer, ValueId x) const {
    const int64_t d = config_.head_dim;
    const std::string packed = tensor + "self_attention.query_key_value.";
    const auto project = [&](const std::string& name, int64_t place) {
      return net.linear(name, x, config_.hidden, part_source(packed + "weight", place * d, d, 3 * d),
                        part_source(packed + "bias", place * d, d, 3 * d), "w" + name);
    };
    AttentionSpec spec;
    spec.heads = config_.heads;
    spec.kv_heads = config_.heads;
    spec.head_dim = d;
    spec.bias =
        net.constant("alibi", config_.heads, net.positions(), alibi_source(config_.heads, net.positions()));
    const ValueId q = project("q", 0);
    const ValueId k = project("k", 1);
    const ValueId v = project("v", 2);
    const ValueId mixed = net.attend("attention", layer, {q, k, v}, spec);
    const std::string dense = tensor + "self_attention.dense.";
    return net.linear("attention_out", mixed, config_.hidden, dense + "weight", dense + "bias", "wo");
  }

  DecoderConfig config_;
};

}  // namespace

Result<std::unique_ptr<Model>> make_bloom(const std::string& name, const DocumentNode& config) {
  ConfigReader reader(config);
  DecoderConfig c;
  c.tied_embeddings = true;
  RDU_ASSIGN(const std::string architecture, reader.one_of("architectures", {"BloomForCausalLM"}));
  RDU_ASSIGN(c.hidden, reader.integer("hidden_size", 1, kMaxWidth / 4));
  RDU_ASSIGN(c.layers, reader.integer("n_layer", 1, kMaxLayers));
  RDU_ASSIGN(c.heads, reader.integer("n_head", 1, kMaxWidth));
  RDU_ASSIGN(c.vocabulary, reader.integer("vocab_size", 1, kMaxVocabulary));
  RDU_ASSIGN(c.norm_eps, reader.real("layer_norm_epsilon", 0, 1));
  RDU_ASSIGN(c.intermediate, reader.positive_or("n_inner", 4 * c.hidden));
  if (c.hidden % c.heads != 0) {
    return config_error(config, ErrorCode::kInvalidInput,
                        fmt::format("hidden_size {} is not a multiple of n_head {}", c.hidden, c.heads));
  }
  c.head_dim = c.hidden / c.heads;
  RDU_CHECK_OK(reader.must_be_if_present("apply_residual_connection_post_layernorm", "false"));
  RDU_CHECK_OK(reader.must_be_if_present("tie_word_embeddings", "true"));
  ignore_harmless(reader);
  // Softmax is FP32 here always; the others choose between equal computations.
  reader.ignore({"attention_softmax_in_fp32", "masked_softmax_fusion", "slow_but_exact", "seq_length"});
  RDU_CHECK_OK(reader.finish());
  return std::unique_ptr<Model>(std::make_unique<BloomModel>(name, c));
}

}  // namespace rdusim::models
