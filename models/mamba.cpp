// Mamba (model_type mamba): a mixer a layer behind an RMSNorm, no attention, no MLP, the residual in FP32,
// tied head. Keys, defaults and tensor names as in the Hugging Face class MambaForCausalLM.
#include <fmt/format.h>

#include "models/blocks/decoder_block.h"
#include "models/blocks/mamba_block.h"
#include "models/model.h"

namespace rdusim::models {
namespace {

struct MambaConfig {
  int64_t hidden = 0;
  int64_t layers = 0;
  int64_t vocabulary = 0;
  double norm_eps = 0;
  bool tied = true;
  MambaSpec mixer;
};

DecoderSize mamba_size(const MambaConfig& c) {
  DecoderSize size;
  size.hidden = c.hidden;
  size.layers = c.layers;
  size.vocabulary = c.vocabulary;
  size.embedding_tensor = "backbone.embeddings.weight";
  if (!c.tied) size.head_tensor = "lm_head.weight";
  return size;
}

class MambaModel : public DecoderModel {
 public:
  MambaModel(const std::string& name, const MambaConfig& config)
      : DecoderModel(name, "mamba", mamba_size(config)), config_(config) {}

 protected:
  [[nodiscard]] Counts counts() const override {
    const Counts mixer = mamba_counts(config_.mixer, config_.hidden);
    const int64_t table = config_.vocabulary * config_.hidden;
    Counts counts;
    counts.total =
        (config_.tied ? 1 : 2) * table + config_.layers * (mixer.total + config_.hidden) + config_.hidden;
    counts.active = counts.total;
    counts.macs = config_.layers * mixer.macs + table;
    counts.state = config_.layers * mixer.state;
    return counts;
  }

  ValueId layer(Net& net, int64_t layer, ValueId x) const override {
    const std::string tensor = fmt::format("backbone.layers.{}.", layer);
    const ValueId normed = net.rms_norm("norm", x, tensor + "norm.weight", config_.norm_eps);
    const ValueId out = mamba_mixer(net, config_.mixer, layer, tensor + "mixer.", normed);
    const ValueId sum = finish_layer(net, layer, x, out);
    net.set_fp32(sum);
    return sum;
  }

  ValueId final_norm(Net& net, const std::string& name, ValueId x) const override {
    return net.rms_norm(name, x, "backbone.norm_f.weight", config_.norm_eps);
  }

 private:
  MambaConfig config_;
};

}  // namespace

Result<std::unique_ptr<Model>> make_mamba(const std::string& name, const DocumentNode& config) {
  ConfigReader reader(config);
  MambaConfig c;
  RDU_ASSIGN(const std::string architecture, reader.one_of("architectures", {"MambaForCausalLM"}));
  RDU_ASSIGN(c.hidden, reader.integer("hidden_size", 1, kMaxWidth));
  RDU_ASSIGN(c.layers, reader.integer("num_hidden_layers", 1, kMaxLayers));
  RDU_ASSIGN(c.vocabulary, reader.integer("vocab_size", 1, kMaxVocabulary));
  RDU_ASSIGN(c.norm_eps, reader.real("layer_norm_epsilon", 0, 1));
  RDU_ASSIGN(c.tied, reader.boolean_or("tie_word_embeddings", true));
  RDU_ASSIGN(const int64_t expand, reader.positive_or("expand", 2));
  RDU_ASSIGN(c.mixer.inner, reader.positive_or("intermediate_size", expand * c.hidden));
  RDU_ASSIGN(c.mixer.states, reader.integer("state_size", 1, 1 << 10));
  RDU_ASSIGN(c.mixer.taps, reader.integer("conv_kernel", 1, 64));
  RDU_ASSIGN(c.mixer.rank, reader.integer("time_step_rank", 1, kMaxWidth));
  for (const auto& [key, value] :
       std::initializer_list<std::pair<const char*, const char*>>{{"hidden_act", "silu"},
                                                                  {"use_bias", "false"},
                                                                  {"use_conv_bias", "true"},
                                                                  {"residual_in_fp32", "true"},
                                                                  {"rms_norm", "true"}}) {
    RDU_CHECK_OK(reader.must_be_if_present(key, value));
  }
  ignore_harmless(reader);
  // Initialisation, fusion of a GPU kernel, and padding of the vocabulary that vocab_size already has.
  reader.ignore({"rescale_prenorm_residual", "time_step_floor", "time_step_init_scheme", "time_step_max",
                 "time_step_min", "time_step_scale", "fused_add_norm", "n_layer", "pad_vocab_size_multiple"});
  RDU_CHECK_OK(reader.finish());
  return std::unique_ptr<Model>(std::make_unique<MambaModel>(name, c));
}

}  // namespace rdusim::models
