// Mixtral (model_type mixtral): Llama's layers with a mixture of SwiGLU experts in place of the MLP; the
// chosen experts' weights add up to one. Keys, defaults and tensor names as in the Hugging Face class
// MixtralForCausalLM.
#include "models/blocks/decoder_block.h"
#include "models/blocks/moe.h"
#include "models/derived.h"
#include "models/model.h"

namespace rdusim::models {
namespace {

constexpr int64_t kMaxExperts = 1 << 12;

struct MixtralConfig {
  DecoderConfig decoder;
  int64_t experts = 0;
  int64_t k = 0;
};

DecoderSize mixtral_size(const DecoderConfig& config) {
  DecoderSize size = decoder_size(config);
  size.fp32_activations = true;
  return size;
}

class MixtralModel : public DecoderModel {
 public:
  MixtralModel(const std::string& name, const MixtralConfig& config)
      : DecoderModel(name, "mixtral", mixtral_size(config.decoder)), config_(config) {}

 protected:
  [[nodiscard]] Counts counts() const override {
    const DecoderConfig& c = config_.decoder;
    const int64_t expert = 3 * c.hidden * c.intermediate;
    Counts counts = decoder_counts(c);  // with one expert a layer, and no router
    counts.total += c.layers * ((config_.experts - 1) * expert + c.hidden * config_.experts);
    counts.active += c.layers * ((config_.k - 1) * expert + c.hidden * config_.experts);
    counts.macs += c.layers * ((config_.k - 1) * expert + c.hidden * config_.experts);
    return counts;
  }

  ValueId layer(Net& net, int64_t layer, ValueId x) const override {
    const DecoderConfig& c = config_.decoder;
    const ValueId mixed = net.add("attention_residual", x, self_attention(net, c, layer, x));
    const ValueId normed = net.rms_norm(
        "mlp_norm", mixed, layer_tensor(c, layer, "post_attention_layernorm.weight"), c.norm_eps);
    const std::string expert = layer_tensor(c, layer, "block_sparse_moe.experts.{}.");
    MoeSpec spec;
    spec.experts = config_.experts;
    spec.k = config_.k;
    spec.inner = c.intermediate;
    spec.router = layer_tensor(c, layer, "block_sparse_moe.gate.weight");
    spec.gate = experts_source(expert + "w1.weight", config_.experts);
    spec.up = experts_source(expert + "w3.weight", config_.experts);
    spec.down = experts_source(expert + "w2.weight", config_.experts);
    return finish_layer(net, layer, mixed, mixture(net, "mixture", normed, spec));
  }

  ValueId final_norm(Net& net, const std::string& name, ValueId x) const override {
    return net.rms_norm(name, x, "model.norm.weight", config_.decoder.norm_eps);
  }

 private:
  MixtralConfig config_;
};

}  // namespace

Result<std::unique_ptr<Model>> make_mixtral(const std::string& name, const DocumentNode& config) {
  ConfigReader reader(config);
  MixtralConfig mixtral;
  mixtral.decoder.tensor_prefix = "model.";
  RDU_ASSIGN(const std::string architecture, reader.one_of("architectures", {"MixtralForCausalLM"}));
  RDU_CHECK_OK(parse_decoder(reader, config, mixtral.decoder));
  if (reader.optional("sliding_window") != nullptr) {
    RDU_ASSIGN(mixtral.decoder.window, reader.integer("sliding_window", 1, kMaxWindow));
  }
  RDU_ASSIGN(mixtral.experts, reader.integer("num_local_experts", 1, kMaxExperts));
  RDU_ASSIGN(mixtral.k, reader.integer("num_experts_per_tok", 1, mixtral.experts));
  RDU_CHECK_OK(reader.must_be_if_present("hidden_act", "silu"));
  reader.ignore({"output_router_logits", "router_aux_loss_coef", "router_jitter_noise"});  // training
  RDU_CHECK_OK(reader.finish());
  return std::unique_ptr<Model>(std::make_unique<MixtralModel>(name, mixtral));
}

}  // namespace rdusim::models
