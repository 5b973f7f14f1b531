// Qwen3 and Qwen3-MoE (model_type qwen3, qwen3_moe): Llama's layers, each head of queries and keys normed
// before it is rotated; heads may be wider than hidden_size / heads. Qwen3-MoE has a mixture of many narrow
// SwiGLU experts for its MLP, whose weights may (norm_topk_prob) or may not add up to one; dense layers
// between (mlp_only_layers, decoder_sparse_step) are refused: no published model has any. Keys, defaults and
// tensor names as in the Hugging Face classes Qwen3ForCausalLM and Qwen3MoeForCausalLM.
#include "models/blocks/decoder_block.h"
#include "models/blocks/moe.h"
#include "models/derived.h"
#include "models/model.h"

namespace rdusim::models {
namespace {

constexpr int64_t kMaxExperts = 1 << 12;

struct Qwen3Config {
  DecoderConfig decoder;
  int64_t experts = 0;  // 0: a dense MLP
  int64_t k = 0;
  int64_t expert_inner = 0;
  bool normalize = false;
};

DecoderSize qwen3_size(const Qwen3Config& config) {
  DecoderSize size = decoder_size(config.decoder);
  size.fp32_activations = config.experts > 0;
  return size;
}

class Qwen3Model : public DecoderModel {
 public:
  Qwen3Model(const std::string& name, const std::string& family, const Qwen3Config& config)
      : DecoderModel(name, family, qwen3_size(config)), config_(config) {}

 protected:
  [[nodiscard]] Counts counts() const override {
    const DecoderConfig& c = config_.decoder;
    Counts counts = decoder_counts(c);
    const int64_t head_norms = c.layers * 2 * c.head_dim;
    counts.total += head_norms;
    counts.active += head_norms;
    if (config_.experts == 0) return counts;
    const int64_t dense = 3 * c.hidden * c.intermediate;
    const int64_t expert = 3 * c.hidden * config_.expert_inner;
    const int64_t router = c.hidden * config_.experts;
    counts.total += c.layers * (config_.experts * expert + router - dense);
    counts.active += c.layers * (config_.k * expert + router - dense);
    counts.macs += c.layers * (config_.k * expert + router - dense);
    return counts;
  }

  ValueId layer(Net& net, int64_t layer, ValueId x) const override {
    const DecoderConfig& c = config_.decoder;
    const ValueId mixed = net.add("attention_residual", x, attention(net, layer, x));
    const ValueId normed = net.rms_norm(
        "mlp_norm", mixed, layer_tensor(c, layer, "post_attention_layernorm.weight"), c.norm_eps);
    return finish_layer(net, layer, mixed,
                        config_.experts > 0 ? experts(net, layer, normed) : gated_mlp(net, c, layer, normed));
  }

  ValueId final_norm(Net& net, const std::string& name, ValueId x) const override {
    return net.rms_norm(name, x, config_.decoder.tensor_prefix + "norm.weight", config_.decoder.norm_eps);
  }

 private:
  ValueId attention(Net& net, int64_t layer, ValueId x) const {
    const DecoderConfig& c = config_.decoder;
    const ValueId normed =
        net.rms_norm("attention_norm", x, layer_tensor(c, layer, "input_layernorm.weight"), c.norm_eps);
    const auto project = [&](const std::string& name, int64_t heads) {
      return net.linear(name, normed, heads * c.head_dim,
                        layer_tensor(c, layer, "self_attn." + name + "_proj.weight"), "", "w" + name);
    };
    const auto norm_and_rotate = [&](const std::string& name, ValueId heads) {
      const ValueId gain = net.weight(name + "_norm.gain", 1, c.head_dim,
                                      layer_tensor(c, layer, "self_attn." + name + "_norm.weight"));
      const ValueId unit = net.op(compiler::OpKind::kHeadNorm, name + "_norm", {heads, gain},
                                  {{"eps", c.norm_eps}, {"head_dim", c.head_dim}});
      return net.rotate(name + "_rotated", unit, c.head_dim, c.rope);
    };
    const ValueId q = norm_and_rotate("q", project("q", c.heads));
    const ValueId k = norm_and_rotate("k", project("k", c.kv_heads));
    AttentionSpec spec;
    spec.heads = c.heads;
    spec.kv_heads = c.kv_heads;
    spec.head_dim = c.head_dim;
    const ValueId mixed = net.attend("attention", layer, {q, k, project("v", c.kv_heads)}, spec);
    return net.linear("attention_out", mixed, c.hidden, layer_tensor(c, layer, "self_attn.o_proj.weight"), "",
                      "wo");
  }

  ValueId experts(Net& net, int64_t layer, ValueId x) const {
    const std::string expert = layer_tensor(config_.decoder, layer, "mlp.experts.{}.");
    MoeSpec spec;
    spec.experts = config_.experts;
    spec.k = config_.k;
    spec.inner = config_.expert_inner;
    spec.normalize = config_.normalize;
    spec.router = layer_tensor(config_.decoder, layer, "mlp.gate.weight");
    spec.gate = experts_source(expert + "gate_proj.weight", config_.experts);
    spec.up = experts_source(expert + "up_proj.weight", config_.experts);
    spec.down = experts_source(expert + "down_proj.weight", config_.experts);
    return mixture(net, "mixture", x, spec);
  }

  Qwen3Config config_;
};

Status parse_experts(ConfigReader& reader, Qwen3Config& qwen) {
  RDU_ASSIGN(qwen.experts, reader.integer("num_experts", 1, kMaxExperts));
  RDU_ASSIGN(qwen.k, reader.integer("num_experts_per_tok", 1, qwen.experts));
  RDU_ASSIGN(qwen.expert_inner, reader.integer("moe_intermediate_size", 1, kMaxWidth));
  RDU_ASSIGN(qwen.normalize, reader.boolean_or("norm_topk_prob", false));  // the class's default
  RDU_CHECK_OK(reader.must_be_if_present("decoder_sparse_step", "1"));
  if (const DocumentNode* dense = reader.optional("mlp_only_layers")) {
    if (dense->kind != DocumentNode::Kind::kList || !dense->items.empty())
      return config_error(*dense, ErrorCode::kUnsupported, "mlp_only_layers is not an empty list",
                          "every layer must have experts");
  }
  reader.ignore({"output_router_logits", "router_aux_loss_coef"});  // training
  return {};
}

}  // namespace

Result<std::unique_ptr<Model>> make_qwen3(const std::string& name, const DocumentNode& config) {
  RDU_ASSIGN(const DocumentNode* type_node, config.at("model_type"));
  RDU_ASSIGN(const std::string type, type_node->as_string());
  const bool has_experts = type == "qwen3_moe";
  ConfigReader reader(config);
  Qwen3Config qwen;
  qwen.decoder.tensor_prefix = "model.";
  RDU_ASSIGN(const std::string architecture,
             reader.one_of("architectures", {has_experts ? "Qwen3MoeForCausalLM" : "Qwen3ForCausalLM"}));
  RDU_CHECK_OK(parse_decoder(reader, config, qwen.decoder));
  if (has_experts) RDU_CHECK_OK(parse_experts(reader, qwen));
  RDU_CHECK_OK(reader.must_be_if_present("hidden_act", "silu"));
  RDU_CHECK_OK(reader.must_be_if_present("attention_bias", "false"));
  RDU_CHECK_OK(reader.must_be_if_present("use_sliding_window", "false"));
  reader.ignore({"sliding_window", "max_window_layers"});  // of no effect without the window
  RDU_CHECK_OK(reader.finish());
  return std::unique_ptr<Model>(std::make_unique<Qwen3Model>(name, type, qwen));
}

}  // namespace rdusim::models
