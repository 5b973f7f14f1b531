// See vision_tower.h.
#include "models/blocks/vision_tower.h"

#include <fmt/format.h>

#include "models/derived.h"

namespace rdusim::models {

using compiler::OpKind;

Status parse_clip_layers(ConfigReader& reader, const DocumentNode& node, ClipLayers& c) {
  RDU_ASSIGN(c.hidden, reader.integer("hidden_size", 1, kMaxWidth));
  RDU_ASSIGN(c.layers, reader.integer("num_hidden_layers", 1, kMaxLayers));
  RDU_ASSIGN(c.heads, reader.integer("num_attention_heads", 1, kMaxWidth));
  RDU_ASSIGN(c.intermediate, reader.integer("intermediate_size", 1, kMaxWidth));
  RDU_ASSIGN(c.norm_eps, reader.real("layer_norm_eps", 0, 1));
  Result<std::string> act = reader.one_of("hidden_act", {"quick_gelu", "gelu"});
  if (!act.ok()) return act.take_error();
  c.form = *act == "gelu" ? compiler::ActivationForm::kGelu : compiler::ActivationForm::kGeluQuick;
  ignore_harmless(reader);
  reader.ignore({"projection_dim"});
  if (c.hidden % c.heads == 0) return {};
  return config_error(
      node, ErrorCode::kInvalidInput,
      fmt::format("hidden_size {} is not a multiple of num_attention_heads {}", c.hidden, c.heads));
}

Result<VisionTower> parse_vision_tower(const DocumentNode& node, bool top_level) {
  ConfigReader reader(node);
  VisionTower tower;
  RDU_CHECK_OK(parse_clip_layers(reader, node, tower.layers));
  RDU_ASSIGN(tower.image_size, reader.integer("image_size", 1, 1 << 14));
  RDU_ASSIGN(tower.patch_size, reader.integer("patch_size", 1, tower.image_size));
  RDU_ASSIGN(tower.channels, reader.positive_or("num_channels", 3));
  if (!top_level) reader.ignore({"vocab_size"});  // a leftover of older classes
  RDU_CHECK_OK(reader.finish());
  tower.tensor_prefix = "vision_model.";
  return tower;
}

int64_t clip_layer_parameters(const ClipLayers& c) {
  return 4 * (c.hidden * c.hidden + c.hidden) + 2 * c.hidden * c.intermediate + c.intermediate + c.hidden +
         4 * c.hidden;
}

int64_t vision_parameters(const VisionTower& t) {
  const int64_t h = t.layers.hidden;
  return h + t.patch_values() * h + t.tokens() * h + 2 * h +
         t.layers.layers * clip_layer_parameters(t.layers) + 2 * h;
}

ValueId clip_layer(Net& net, const ClipLayers& c, const std::string& stack, int64_t layer, ValueId x,
                   bool causal) {
  const std::string tensor = fmt::format("{}{}.", stack, layer);
  const auto norm = [&](const std::string& name, ValueId of, const std::string& from) {
    return net.layer_norm(name, of, tensor + from + ".weight", tensor + from + ".bias", c.norm_eps);
  };
  const auto linear = [&](const std::string& name, ValueId of, int64_t outputs, const std::string& from) {
    return net.linear(name, of, outputs, tensor + from + ".weight", tensor + from + ".bias");
  };
  const ValueId normed = norm("attention_norm", x, "layer_norm1");
  const ValueId q = linear("q", normed, c.hidden, "self_attn.q_proj");
  const ValueId k = linear("k", normed, c.hidden, "self_attn.k_proj");
  const ValueId v = linear("v", normed, c.hidden, "self_attn.v_proj");
  AttentionSpec spec;
  spec.heads = c.heads;
  spec.kv_heads = c.heads;
  spec.head_dim = c.hidden / c.heads;
  spec.causal = causal;
  spec.cached = false;
  const ValueId mixed = net.attend("attention", layer, {q, k, v}, spec);
  const ValueId residual =
      net.add("attention_residual", x, linear("attention_out", mixed, c.hidden, "self_attn.out_proj"));
  net.set_fp32(residual);
  const ValueId up = linear("up", norm("mlp_norm", residual, "layer_norm2"), c.intermediate, "mlp.fc1");
  const ValueId out = linear("mlp_out", net.activation("gelu", up, c.form), c.hidden, "mlp.fc2");
  const ValueId sum = finish_layer(net, layer, residual, out);
  net.set_fp32(sum);  // the residual stream, as in mixed precision
  return sum;
}

ValueId embed_patches(Net& net, const VisionTower& t) {
  const std::string at = t.tensor_prefix + "embeddings.";
  const ValueId patches = net.input("patches", net.rows(), t.patch_values(), net.request().activations);
  const ValueId rows =
      net.linear("patch_rows", patches, t.layers.hidden, matrix_source(at + "patch_embedding.weight"));
  const ValueId table =
      net.weight_fp32("positions", t.tokens(), t.layers.hidden,
                      class_positions_source(at + "position_embedding.weight", at + "class_embedding"));
  const ValueId placed = net.op(OpKind::kPositionAdd, "placed", {rows, table},
                                {{"past_tokens", int64_t{0}}, {"query_tokens", net.request().query_tokens}});
  // The misspelling is the published tensors'.
  return net.layer_norm("layer_hidden.0", placed, t.tensor_prefix + "pre_layrnorm.weight",
                        t.tensor_prefix + "pre_layrnorm.bias", t.layers.norm_eps);
}

}  // namespace rdusim::models
