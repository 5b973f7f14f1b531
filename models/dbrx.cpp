// DBRX (model_type dbrx): LayerNorm without bias, queries, keys and values clipped, grouped-query attention,
// a mixture of SwiGLU experts whose chosen weights are divided by their 1-norm. One packed projection [q | k
// | v]; experts packed one above the other, the down projection stored on its side. Keys, defaults and tensor
// names as in the Hugging Face class DbrxForCausalLM.
#include <fmt/format.h>

#include "models/blocks/decoder_block.h"
#include "models/blocks/moe.h"
#include "models/derived.h"
#include "models/model.h"

namespace rdusim::models {
namespace {

constexpr int64_t kMaxExperts = 1 << 12;
constexpr double kNormEps = 1e-5;  // PyTorch's default, which the class takes

struct DbrxConfig {
  DecoderConfig decoder;
  double clip = 0;  // 0: none
  int64_t experts = 0;
  int64_t k = 0;
};

DecoderSize dbrx_size(const DecoderConfig& c) {
  DecoderSize size = decoder_size(c);
  size.embedding_tensor = "transformer.wte.weight";
  size.fp32_activations = true;
  return size;
}

class DbrxModel : public DecoderModel {
 public:
  DbrxModel(const std::string& name, const DbrxConfig& config)
      : DecoderModel(name, "dbrx", dbrx_size(config.decoder)), config_(config) {}

 protected:
  [[nodiscard]] Counts counts() const override {
    const DecoderConfig& c = config_.decoder;
    const int64_t expert = 3 * c.hidden * c.intermediate;
    Counts counts = decoder_counts(c);
    counts.total += c.layers * ((config_.experts - 1) * expert + c.hidden * config_.experts);
    counts.active += c.layers * ((config_.k - 1) * expert + c.hidden * config_.experts);
    counts.macs += c.layers * ((config_.k - 1) * expert + c.hidden * config_.experts);
    return counts;
  }

  ValueId layer(Net& net, int64_t layer, ValueId x) const override {
    const std::string tensor = fmt::format("transformer.blocks.{}.", layer);
    const ValueId normed =
        net.layer_norm("attention_norm", x, tensor + "norm_attn_norm.norm_1.weight", "", kNormEps);
    const ValueId mixed = net.add("attention_residual", x, attention(net, tensor, layer, normed));
    const ValueId second =
        net.layer_norm("mlp_norm", mixed, tensor + "norm_attn_norm.norm_2.weight", "", kNormEps);
    const std::string experts = tensor + "ffn.experts.mlp.";
    MoeSpec spec;
    spec.experts = config_.experts;
    spec.k = config_.k;
    spec.inner = config_.decoder.intermediate;
    spec.router = tensor + "ffn.router.layer.weight";
    spec.gate = packed_experts_source(experts + "w1", config_.experts, false);
    spec.up = packed_experts_source(experts + "v1", config_.experts, false);
    spec.down = packed_experts_source(experts + "w2", config_.experts, true);
    return finish_layer(net, layer, mixed, mixture(net, "mixture", second, spec));
  }

  ValueId final_norm(Net& net, const std::string& name, ValueId x) const override {
    return net.layer_norm(name, x, "transformer.norm_f.weight", "", kNormEps);
  }

 private:
  ValueId attention(Net& net, const std::string& tensor, int64_t layer, ValueId x) const {
    const DecoderConfig& c = config_.decoder;
    const std::string packed = tensor + "norm_attn_norm.attn.Wqkv.weight";
    const int64_t rows = (c.heads + 2 * c.kv_heads) * c.head_dim;
    const auto project = [&](const std::string& name, int64_t first_head, int64_t heads) {
      const ValueId y =
          net.linear(name, x, heads * c.head_dim,
                     part_source(packed, first_head * c.head_dim, heads * c.head_dim, rows), "", "w" + name);
      return config_.clip > 0
                 ? net.op(compiler::OpKind::kClamp, name + "_clipped", {y}, {{"limit", config_.clip}})
                 : y;
    };
    const ValueId q = net.rotate("q_rotated", project("q", 0, c.heads), c.head_dim, c.rope);
    const ValueId k = net.rotate("k_rotated", project("k", c.heads, c.kv_heads), c.head_dim, c.rope);
    const ValueId v = project("v", c.heads + c.kv_heads, c.kv_heads);
    AttentionSpec spec;
    spec.heads = c.heads;
    spec.kv_heads = c.kv_heads;
    spec.head_dim = c.head_dim;
    const ValueId mixed = net.attend("attention", layer, {q, k, v}, spec);
    return net.linear("attention_out", mixed, c.hidden, tensor + "norm_attn_norm.attn.out_proj.weight", "",
                      "wo");
  }

  DbrxConfig config_;
};

Status parse_attention(const DocumentNode& node, DbrxConfig& dbrx) {
  ConfigReader reader(node);
  DecoderConfig& c = dbrx.decoder;
  RDU_ASSIGN(c.kv_heads, reader.positive_or("kv_n_heads", 1));
  RDU_ASSIGN(dbrx.clip, reader.real_or("clip_qkv", 0, 0, 1e6));
  RDU_ASSIGN(c.rope.theta, reader.real_or("rope_theta", 10000.0, 1, 1e12));
  reader.ignore({"attn_pdrop", "model_type"});
  RDU_CHECK_OK(reader.finish());
  if (c.heads % c.kv_heads == 0) return {};
  return config_error(node, ErrorCode::kInvalidInput,
                      fmt::format("n_heads {} is not a multiple of kv_n_heads {}", c.heads, c.kv_heads));
}

Status parse_experts(const DocumentNode& node, DbrxConfig& dbrx) {
  ConfigReader reader(node);
  RDU_ASSIGN(dbrx.decoder.intermediate, reader.integer("ffn_hidden_size", 1, kMaxWidth));
  RDU_ASSIGN(dbrx.experts, reader.integer("moe_num_experts", 1, kMaxExperts));
  RDU_ASSIGN(dbrx.k, reader.integer("moe_top_k", 1, dbrx.experts));
  RDU_ASSIGN(const double norm, reader.real("moe_normalize_expert_weights", 0, 1e6));
  if (norm != 1) {
    return config_error(node, ErrorCode::kUnsupported,
                        fmt::format("moe_normalize_expert_weights is {}", norm),
                        "only the 1-norm is modelled");
  }
  if (const DocumentNode* act = reader.optional("ffn_act_fn")) {
    ConfigReader inner(*act);
    RDU_CHECK_OK(inner.must_be_if_present("name", "silu"));
    RDU_CHECK_OK(inner.finish());
  }
  reader.ignore({"moe_jitter_eps", "moe_loss_weight", "model_type"});  // training
  return reader.finish();
}

}  // namespace

Result<std::unique_ptr<Model>> make_dbrx(const std::string& name, const DocumentNode& config) {
  ConfigReader reader(config);
  DbrxConfig dbrx;
  DecoderConfig& c = dbrx.decoder;
  RDU_ASSIGN(const std::string architecture, reader.one_of("architectures", {"DbrxForCausalLM"}));
  RDU_ASSIGN(c.hidden, reader.integer("d_model", 1, kMaxWidth));
  RDU_ASSIGN(c.layers, reader.integer("n_layers", 1, kMaxLayers));
  RDU_ASSIGN(c.heads, reader.integer("n_heads", 1, kMaxWidth));
  RDU_ASSIGN(c.vocabulary, reader.integer("vocab_size", 1, kMaxVocabulary));
  RDU_CHECK_OK(reader.must_be_if_present("tie_word_embeddings", "false"));
  if (c.hidden % (2 * c.heads) != 0) {
    return config_error(
        config, ErrorCode::kInvalidInput,
        fmt::format("d_model {} is not an even number a head of n_heads {}", c.hidden, c.heads));
  }
  c.head_dim = c.hidden / c.heads;
  RDU_ASSIGN(const DocumentNode* attention, config.at("attn_config"));
  RDU_ASSIGN(const DocumentNode* experts, config.at("ffn_config"));
  RDU_CHECK_OK(parse_attention(*attention, dbrx));
  RDU_CHECK_OK(parse_experts(*experts, dbrx));
  ignore_harmless(reader);
  reader.ignore({"attn_config", "ffn_config", "max_seq_len", "emb_pdrop", "resid_pdrop",
                 "output_router_logits", "router_aux_loss_coef"});
  RDU_CHECK_OK(reader.finish());
  return std::unique_ptr<Model>(std::make_unique<DbrxModel>(name, dbrx));
}

}  // namespace rdusim::models
