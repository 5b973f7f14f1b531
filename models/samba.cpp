// SAMBA (model_type samba): blocks of a mixer and a SwiGLU MLP, each behind an RMSNorm with its own residual
// in FP32; the mixers are Mamba and sliding-window attention in turn. Keys and tensor names as in
// microsoft/Samba (lit_gpt), whose attention packs, for each key/value head, its queries, then its key and
// its value. Rotary tables in FP32 (the repository rounds them to BF16).
#include <fmt/format.h>

#include "models/blocks/decoder_block.h"
#include "models/blocks/mamba_block.h"
#include "models/derived.h"
#include "models/model.h"

namespace rdusim::models {
namespace {

struct SambaConfig {
  DecoderConfig decoder;
  MambaSpec mixer;
  int64_t period = 2;  // every period-th block mixes by Mamba, from the first
};

bool is_mamba(const SambaConfig& c, int64_t block) {
  return block % c.period == 0;
}

DecoderSize samba_size(const SambaConfig& c) {
  DecoderSize size = decoder_size(c.decoder);
  size.embedding_tensor = "transformer.wte.weight";
  return size;
}

class SambaModel : public DecoderModel {
 public:
  SambaModel(const std::string& name, const SambaConfig& config)
      : DecoderModel(name, "samba", samba_size(config)), config_(config) {}

 protected:
  [[nodiscard]] Counts counts() const override {
    const DecoderConfig& c = config_.decoder;
    const Counts mixer = mamba_counts(config_.mixer, c.hidden);
    const int64_t mambas = (c.layers + config_.period - 1) / config_.period;
    const int64_t attentions = c.layers - mambas;
    const int64_t attention =
        c.hidden * (c.heads + 2 * c.kv_heads) * c.head_dim + c.heads * c.head_dim * c.hidden;
    const int64_t mlp = c.layers * 3 * c.hidden * c.intermediate;
    const int64_t table = c.vocabulary * c.hidden;
    Counts counts;
    counts.total = (c.tied_embeddings ? 1 : 2) * table + mambas * mixer.total + attentions * attention + mlp +
                   2 * c.layers * c.hidden + c.hidden;
    counts.active = counts.total;
    counts.macs = mambas * mixer.macs + attentions * attention + mlp + table;
    counts.kv = attentions * 2 * c.kv_heads * c.head_dim;
    counts.state = mambas * mixer.state;
    return counts;
  }

  ValueId layer(Net& net, int64_t layer, ValueId x) const override {
    const DecoderConfig& c = config_.decoder;
    const std::string tensor = fmt::format("transformer.h.{}.", layer);
    const ValueId normed = net.rms_norm("mixer_norm", x, tensor + "norm_1.weight", c.norm_eps);
    const ValueId mixed = is_mamba(config_, layer)
                              ? mamba_mixer(net, config_.mixer, layer, tensor + "attn.", normed)
                              : attention(net, tensor, layer, normed);
    const ValueId residual = net.add("mixer_residual", x, mixed);
    net.set_fp32(residual);
    const ValueId second = net.rms_norm("mlp_norm", residual, tensor + "norm_2.weight", c.norm_eps);
    const ValueId gate =
        net.linear("gate", second, c.intermediate, tensor + "mlp.swiglu.w1.weight", "", "w_gate");
    const ValueId up = net.linear("up", second, c.intermediate, tensor + "mlp.swiglu.w2.weight", "", "w_up");
    const ValueId inner = net.op(compiler::OpKind::kSwiGlu, "swiglu", {gate, up});
    const ValueId out = net.linear("mlp_out", inner, c.hidden, tensor + "mlp.swiglu.w3.weight", "", "w_down");
    const ValueId sum = finish_layer(net, layer, residual, out);
    net.set_fp32(sum);
    return sum;
  }

  ValueId final_norm(Net& net, const std::string& name, ValueId x) const override {
    return net.rms_norm(name, x, "transformer.ln_f.weight", config_.decoder.norm_eps);
  }

 private:
  ValueId attention(Net& net, const std::string& tensor, int64_t layer, ValueId x) const {
    const DecoderConfig& c = config_.decoder;
    const int64_t group = c.heads / c.kv_heads;
    const auto project = [&](const std::string& name, int64_t begin, int64_t heads) {
      return net.linear(name, x, heads * c.kv_heads * c.head_dim,
                        part_source(tensor + "attn.attn.weight", begin * c.head_dim, heads * c.head_dim,
                                    (group + 2) * c.head_dim),
                        "", "w" + name);
    };
    const ValueId q = net.rotate("q_rotated", project("q", 0, group), c.head_dim, c.rope);
    const ValueId k = net.rotate("k_rotated", project("k", group, 1), c.head_dim, c.rope);
    const ValueId v = project("v", group + 1, 1);
    AttentionSpec spec;
    spec.heads = c.heads;
    spec.kv_heads = c.kv_heads;
    spec.head_dim = c.head_dim;
    spec.window = c.window;
    const ValueId out = net.attend("attention", layer, {q, k, v}, spec);
    return net.linear("attention_out", out, c.hidden, tensor + "attn.proj.weight", "", "wo");
  }

  SambaConfig config_;
};

// The mixer's sizes stand in mamba_cfg (the repository) or beside the others (Hugging Face style).
Status parse_mixer(ConfigReader& reader, SambaConfig& samba) {
  const DocumentNode* nested = reader.optional("mamba_cfg");
  MambaSpec& m = samba.mixer;
  if (nested == nullptr) {
    RDU_ASSIGN(const int64_t expand, reader.positive_or("expand", 2));
    m.inner = expand * samba.decoder.hidden;
    RDU_ASSIGN(m.states, reader.integer("state_size", 1, 1 << 10));
    RDU_ASSIGN(m.taps, reader.integer("conv_kernel", 1, 64));
    RDU_ASSIGN(m.rank, reader.integer("time_step_rank", 1, kMaxWidth));
    return {};
  }
  ConfigReader inner(*nested);
  RDU_ASSIGN(const int64_t expand, inner.positive_or("expand", 2));
  m.inner = expand * samba.decoder.hidden;
  RDU_ASSIGN(m.states, inner.integer("d_state", 1, 1 << 10));
  RDU_ASSIGN(m.taps, inner.integer("d_conv", 1, 64));
  RDU_ASSIGN(m.rank, inner.integer("dt_rank", 1, kMaxWidth));
  RDU_CHECK_OK(inner.must_be_if_present("conv_bias", "true"));
  RDU_CHECK_OK(inner.must_be_if_present("bias", "false"));
  inner.ignore({"dt_min", "dt_max"});  // initialisation
  return inner.finish();
}

Status parse_rest(ConfigReader& reader) {
  for (const auto& [key, value] :
       std::initializer_list<std::pair<const char*, const char*>>{{"rotary_percentage", "1.0"},
                                                                  {"condense_ratio", "1"},
                                                                  {"parallel_residual", "false"},
                                                                  {"bias", "false"},
                                                                  {"_mlp_class", "LLaMAMLP"},
                                                                  {"nope", "false"},
                                                                  {"mlp", "true"},
                                                                  {"hidden_act", "silu"},
                                                                  {"residual_in_fp32", "true"}}) {
    RDU_CHECK_OK(reader.must_be_if_present(key, value));
  }
  ignore_harmless(reader);
  // Aliases of keys that were read, names, and blocks of full attention farther apart than any model is deep.
  reader.ignore({"org", "name", "block_size", "padding_multiple", "vocab_size", "_norm_class",
                 "full_per_layer", "mamba_init", "hidden_size", "num_hidden_layers", "num_attention_heads",
                 "num_key_value_heads", "sliding_window", "rms_norm_eps", "rope_theta", "rope_base",
                 "layer_types", "head_dim", "head_size"});
  return reader.finish();
}

}  // namespace

Result<std::unique_ptr<Model>> make_samba(const std::string& name, const DocumentNode& config) {
  ConfigReader reader(config);
  SambaConfig samba;
  DecoderConfig& c = samba.decoder;
  RDU_ASSIGN(c.hidden, reader.integer("n_embd", 1, kMaxWidth));
  RDU_ASSIGN(c.layers, reader.integer("n_layer", 1, kMaxLayers));
  RDU_ASSIGN(c.heads, reader.integer("n_head", 1, kMaxWidth));
  RDU_ASSIGN(c.kv_heads, reader.integer("n_query_groups", 1, c.heads));
  RDU_ASSIGN(c.vocabulary, reader.integer("padded_vocab_size", 1, kMaxVocabulary));
  RDU_ASSIGN(c.intermediate, reader.integer("intermediate_size", 1, kMaxWidth));
  RDU_ASSIGN(c.norm_eps, reader.real("norm_eps", 0, 1));
  RDU_ASSIGN(c.window, reader.integer("local_window", 1, kMaxWindow));
  RDU_ASSIGN(samba.period, reader.integer("mb_per_layer", 1, kMaxLayers));
  RDU_ASSIGN(c.tied_embeddings, reader.boolean_or("tie_word_embeddings", true));
  const char* const dim = config.find("head_size") != nullptr ? "head_size" : "head_dim";
  RDU_ASSIGN(c.head_dim, reader.integer(dim, 2, kMaxWidth));
  RDU_ASSIGN(c.rope.theta, reader.real_or(config.find("rope_base") != nullptr ? "rope_base" : "rope_theta",
                                          10000.0, 1, 1e12));
  if (c.heads % c.kv_heads != 0 || c.head_dim % 2 != 0) {
    return config_error(config, ErrorCode::kInvalidInput,
                        "n_head is not a multiple of n_query_groups, or heads are odd");
  }
  RDU_CHECK_OK(parse_mixer(reader, samba));
  RDU_CHECK_OK(parse_rest(reader));
  return std::unique_ptr<Model>(std::make_unique<SambaModel>(name, samba));
}

}  // namespace rdusim::models
