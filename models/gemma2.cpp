// Gemma-2 (model_type gemma2): Llama's projections with norms before and after both sublayers, gains stored
// minus one, scores capped at 50 and logits at 30 by tanh, every other layer with a sliding window (the even
// ones), tanh GELU on the MLP's gate, embeddings times sqrt(hidden) rounded to BF16, scores over
// sqrt(query_pre_attn_scalar). Keys, defaults and tensor names as in the Hugging Face class
// Gemma2ForCausalLM.
#include <fmt/format.h>

#include <cmath>

#include "models/blocks/decoder_block.h"
#include "models/derived.h"
#include "models/model.h"

namespace rdusim::models {
namespace {

struct GemmaConfig {
  DecoderConfig decoder;
  double score_cap = 0;
  double logit_cap = 0;
  double score_scale = 0;
};

DecoderSize gemma_size(const GemmaConfig& c) {
  DecoderSize size = decoder_size(c.decoder);
  size.embedding_scale = static_cast<double>(
      round_to_bf16(static_cast<float>(std::sqrt(static_cast<double>(c.decoder.hidden)))));
  size.logit_cap = c.logit_cap;
  return size;
}

class Gemma2Model : public DecoderModel {
 public:
  Gemma2Model(const std::string& name, const GemmaConfig& config)
      : DecoderModel(name, "gemma2", gemma_size(config)), config_(config) {}

 protected:
  [[nodiscard]] Counts counts() const override {
    Counts counts = decoder_counts(config_.decoder);
    counts.total += config_.decoder.layers * 2 * config_.decoder.hidden;  // four norms a layer, not two
    counts.active = counts.total;
    return counts;
  }

  ValueId layer(Net& net, int64_t layer, ValueId x) const override {
    const DecoderConfig& c = config_.decoder;
    const ValueId attended = norm(net, "post_attention_norm", attention(net, layer, x),
                                  layer_tensor(c, layer, "post_attention_layernorm.weight"));
    const ValueId mixed = net.add("attention_residual", x, attended);
    const ValueId normed =
        norm(net, "mlp_norm", mixed, layer_tensor(c, layer, "pre_feedforward_layernorm.weight"));
    const ValueId gate = net.linear("gate", normed, c.intermediate,
                                    layer_tensor(c, layer, "mlp.gate_proj.weight"), "", "w_gate");
    const ValueId up =
        net.linear("up", normed, c.intermediate, layer_tensor(c, layer, "mlp.up_proj.weight"), "", "w_up");
    const ValueId inner =
        net.mul("gated", net.activation("gelu", gate, compiler::ActivationForm::kGeluTanh), up);
    const ValueId out =
        net.linear("mlp_out", inner, c.hidden, layer_tensor(c, layer, "mlp.down_proj.weight"), "", "w_down");
    return finish_layer(
        net, layer, mixed,
        norm(net, "post_mlp_norm", out, layer_tensor(c, layer, "post_feedforward_layernorm.weight")));
  }

  ValueId final_norm(Net& net, const std::string& name, ValueId x) const override {
    return norm(net, name, x, config_.decoder.tensor_prefix + "norm.weight");
  }

 private:
  ValueId norm(Net& net, const std::string& name, ValueId x, const std::string& tensor) const {
    return net.rms_norm(name, x, plus_one_source(tensor), config_.decoder.norm_eps);
  }

  ValueId attention(Net& net, int64_t layer, ValueId x) const {
    const DecoderConfig& c = config_.decoder;
    const ValueId normed = norm(net, "attention_norm", x, layer_tensor(c, layer, "input_layernorm.weight"));
    const auto project = [&](const std::string& name, int64_t outputs) {
      return net.linear(name, normed, outputs, layer_tensor(c, layer, "self_attn." + name + "_proj.weight"),
                        "", "w" + name);
    };
    const ValueId q = net.rotate("q_rotated", project("q", c.heads * c.head_dim), c.head_dim, c.rope);
    const ValueId k = net.rotate("k_rotated", project("k", c.kv_heads * c.head_dim), c.head_dim, c.rope);
    const ValueId v = project("v", c.kv_heads * c.head_dim);
    AttentionSpec spec;
    spec.heads = c.heads;
    spec.kv_heads = c.kv_heads;
    spec.head_dim = c.head_dim;
    spec.scale = config_.score_scale;
    spec.cap = config_.score_cap;
    spec.window = layer % 2 == 0 ? c.window : 0;
    const ValueId mixed = net.attend("attention", layer, {q, k, v}, spec);
    return net.linear("attention_out", mixed, c.hidden, layer_tensor(c, layer, "self_attn.o_proj.weight"), "",
                      "wo");
  }

  GemmaConfig config_;
};

}  // namespace

Result<std::unique_ptr<Model>> make_gemma2(const std::string& name, const DocumentNode& config) {
  ConfigReader reader(config);
  GemmaConfig gemma;
  gemma.decoder.tensor_prefix = "model.";
  gemma.decoder.tied_embeddings = true;  // the class's default
  RDU_ASSIGN(const std::string architecture, reader.one_of("architectures", {"Gemma2ForCausalLM"}));
  RDU_CHECK_OK(parse_decoder(reader, config, gemma.decoder));
  RDU_ASSIGN(gemma.decoder.window, reader.integer("sliding_window", 1, kMaxWindow));
  RDU_ASSIGN(gemma.score_cap, reader.real_or("attn_logit_softcapping", 0, 0, 1e6));
  RDU_ASSIGN(gemma.logit_cap, reader.real_or("final_logit_softcapping", 0, 0, 1e6));
  RDU_ASSIGN(const double scalar, reader.real("query_pre_attn_scalar", 1e-6, 1e6));
  gemma.score_scale = 1.0 / std::sqrt(scalar);
  RDU_CHECK_OK(reader.must_be_if_present("hidden_act", "gelu_pytorch_tanh"));
  RDU_CHECK_OK(reader.must_be_if_present("hidden_activation", "gelu_pytorch_tanh"));
  RDU_CHECK_OK(reader.must_be_if_present("attention_bias", "false"));
  reader.ignore({"cache_implementation"});
  RDU_CHECK_OK(reader.finish());
  return std::unique_ptr<Model>(std::make_unique<Gemma2Model>(name, gemma));
}

}  // namespace rdusim::models
