// Grok-1 (model_type grok-1): RMSNorm before and after both sublayers, embeddings and logits times constants,
// scores times attn_output_multiplier and capped by tanh, a mixture of GELU experts whose weights are not
// normalised, tied head. Arithmetic as in xai-org/grok-1 model.py (GELU in its tanh form, as jax.nn.gelu has
// it); keys and tensor names as in the public PyTorch port of the checkpoint.
#include <fmt/format.h>

#include "models/blocks/decoder_block.h"
#include "models/blocks/moe.h"
#include "models/derived.h"
#include "models/model.h"

namespace rdusim::models {
namespace {

constexpr int64_t kMaxExperts = 1 << 12;

struct GrokConfig {
  DecoderConfig decoder;
  int64_t experts = 0;
  int64_t k = 0;
  double score_scale = 0;
  double score_cap = 0;
  double embedding_scale = 1;
  double logit_scale = 1;
};

DecoderSize grok_size(const GrokConfig& c) {
  DecoderSize size = decoder_size(c.decoder);
  size.embedding_scale = c.embedding_scale;
  size.logit_scale = c.logit_scale;
  size.fp32_activations = true;
  return size;
}

class Grok1Model : public DecoderModel {
 public:
  Grok1Model(const std::string& name, const GrokConfig& config)
      : DecoderModel(name, "grok-1", grok_size(config)), config_(config) {}

 protected:
  [[nodiscard]] Counts counts() const override {
    const DecoderConfig& c = config_.decoder;
    const int64_t expert = 3 * c.hidden * c.intermediate;
    Counts counts = decoder_counts(c);
    const int64_t two_more_norms = c.layers * 2 * c.hidden;
    counts.total += two_more_norms + c.layers * ((config_.experts - 1) * expert + c.hidden * config_.experts);
    counts.active += two_more_norms + c.layers * ((config_.k - 1) * expert + c.hidden * config_.experts);
    counts.macs += c.layers * ((config_.k - 1) * expert + c.hidden * config_.experts);
    return counts;
  }

  ValueId layer(Net& net, int64_t layer, ValueId x) const override {
    const DecoderConfig& c = config_.decoder;
    const auto norm = [&](const std::string& name, ValueId of, const std::string& tensor) {
      return net.rms_norm(name, of, layer_tensor(c, layer, tensor + ".scale"), c.norm_eps);
    };
    const ValueId attended = attention(net, layer, norm("attention_norm", x, "pre_attn_norm"));
    const ValueId mixed =
        net.add("attention_residual", x, norm("post_attention_norm", attended, "post_attn_norm"));
    const std::string expert = layer_tensor(c, layer, "moe_block.experts.{}.");
    MoeSpec spec;
    spec.experts = config_.experts;
    spec.k = config_.k;
    spec.inner = c.intermediate;
    spec.normalize = false;
    spec.form = compiler::ActivationForm::kGeluTanh;
    spec.router = layer_tensor(c, layer, "moe_block.gate.weight");
    spec.gate = experts_source(expert + "linear.weight", config_.experts);
    spec.up = experts_source(expert + "linear_v.weight", config_.experts);
    spec.down = experts_source(expert + "linear_1.weight", config_.experts);
    const ValueId out = mixture(net, "mixture", norm("mlp_norm", mixed, "pre_moe_norm"), spec);
    return finish_layer(net, layer, mixed, norm("post_mlp_norm", out, "post_moe_norm"));
  }

  ValueId final_norm(Net& net, const std::string& name, ValueId x) const override {
    return net.rms_norm(name, x, "model.norm.scale", config_.decoder.norm_eps);
  }

 private:
  ValueId attention(Net& net, int64_t layer, ValueId x) const {
    const DecoderConfig& c = config_.decoder;
    const auto project = [&](const std::string& name, int64_t outputs) {
      return net.linear(name, x, outputs, layer_tensor(c, layer, "attn." + name + "_proj.weight"), "",
                        "w" + name);
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
    const ValueId mixed = net.attend("attention", layer, {q, k, v}, spec);
    return net.linear("attention_out", mixed, c.hidden, layer_tensor(c, layer, "attn.o_proj.weight"), "",
                      "wo");
  }

  GrokConfig config_;
};

}  // namespace

Result<std::unique_ptr<Model>> make_grok1(const std::string& name, const DocumentNode& config) {
  ConfigReader reader(config);
  GrokConfig grok;
  grok.decoder.tensor_prefix = "model.";
  grok.decoder.tied_embeddings = true;
  RDU_ASSIGN(const std::string architecture, reader.one_of("architectures", {"Grok1ModelForCausalLM"}));
  RDU_CHECK_OK(parse_decoder(reader, config, grok.decoder));
  RDU_ASSIGN(grok.experts, reader.integer("num_experts", 1, kMaxExperts));
  RDU_ASSIGN(grok.k, reader.integer("num_experts_per_tok", 1, grok.experts));
  RDU_ASSIGN(grok.score_scale, reader.real("attn_output_multiplier", 1e-9, 1e6));
  RDU_ASSIGN(grok.score_cap, reader.real("max_attn_value", 1e-9, 1e6));
  RDU_ASSIGN(grok.embedding_scale, reader.real("embedding_multiplier_scale", 1e-9, 1e6));
  RDU_ASSIGN(grok.logit_scale, reader.real("output_multiplier_scale", 1e-9, 1e6));
  RDU_ASSIGN(const std::string activation, reader.one_of("hidden_act", {"gelu", "gelu_pytorch_tanh"}));
  reader.ignore({"output_router_logits", "router_aux_loss_coef"});
  RDU_CHECK_OK(reader.finish());
  return std::unique_ptr<Model>(std::make_unique<Grok1Model>(name, grok));
}

}  // namespace rdusim::models
