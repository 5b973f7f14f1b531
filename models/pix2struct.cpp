// Pix2Struct and DePlot (model_type pix2struct): an encoder over image patches with learned row and column
// embeddings, attention in both directions, and a decoder with causal self-attention (one relative bias,
// layer 0's, for all layers) and cross-attention; RMSNorm before each sublayer, no scaling of scores, tanh
// GELU gates, no biases but the patch projection's. Phase encode runs the encoder over the patches that are
// there (padding is left out) and leaves every decoder layer's cross keys and values, "cross_k.<i>" and
// "cross_v.<i>"; prefill and decode read them as caches of context_rows rows. Keys, defaults and tensor names
// as in the Hugging Face class Pix2StructForConditionalGeneration.
#include <fmt/format.h>

#include "models/blocks/decoder_block.h"
#include "models/derived.h"
#include "models/model.h"
#include "models/request.h"

namespace rdusim::models {
namespace {

using compiler::OpKind;

// Patches of a DePlot input (google/deplot preprocessor, max_patches) where a request names none.
constexpr int64_t kDefaultPatches = 2048;

struct StackConfig {
  int64_t hidden = 0, layers = 0, heads = 0, head_dim = 0, intermediate = 0;
  double norm_eps = 0;
};

struct Pix2StructConfig {
  StackConfig encoder;
  StackConfig decoder;
  int64_t patch_values = 0;
  int64_t grid = 0;  // rows and columns that have an embedding
  int64_t vocabulary = 0;
  int64_t buckets = 0;
  int64_t max_distance = 0;
};

DecoderSize text_size(const Pix2StructConfig& c) {
  DecoderSize size;
  size.hidden = c.decoder.hidden;
  size.layers = c.decoder.layers;
  size.vocabulary = c.vocabulary;
  size.attention_width = 2 * c.decoder.layers * c.decoder.heads * c.decoder.head_dim;
  size.embedding_tensor = "decoder.embed_tokens.weight";
  size.head_tensor = "decoder.lm_head.weight";
  return size;
}

class Pix2StructModel : public DecoderModel {
 public:
  Pix2StructModel(const std::string& name, const Pix2StructConfig& config)
      : DecoderModel(name, "pix2struct", text_size(config)), config_(config) {}

  [[nodiscard]] bool supports(Phase phase) const override {
    return phase == Phase::kEncode || DecoderModel::supports(phase);
  }

  [[nodiscard]] Result<compiler::Graph> build(const GraphRequest& request) const override {
    GraphRequest wanted = request;
    if (request.context_rows == 0) wanted.context_rows = kDefaultPatches;
    if (request.phase != Phase::kEncode) return DecoderModel::build(wanted);
    RDU_CHECK_OK(check_request(*this, wanted));
    Net net(name(), wanted);
    encode(net);
    return std::move(net).take();
  }

 protected:
  // A decode step reads neither the encoder nor the cross-attention's key and value projections.
  [[nodiscard]] Counts counts() const override {
    const int64_t h = config_.encoder.hidden, f = config_.encoder.intermediate;
    const int64_t encoder = config_.patch_values * h + h + 2 * config_.grid * h +
                            config_.encoder.layers * (4 * h * h + 3 * h * f + 2 * h) + h;
    const int64_t H = config_.decoder.hidden, F = config_.decoder.intermediate, L = config_.decoder.layers;
    const int64_t table = config_.vocabulary * H;
    const int64_t decoder =
        2 * table + L * (8 * H * H + 3 * H * F + 3 * H) + config_.buckets * config_.decoder.heads + H;
    Counts counts;
    counts.total = encoder + decoder;
    counts.active = decoder - 2 * L * H * H;
    counts.macs = L * (6 * H * H + 3 * H * F) + table;
    counts.kv = L * 2 * config_.decoder.heads * config_.decoder.head_dim;
    return counts;
  }

  ValueId layer(Net& net, int64_t layer, ValueId x) const override {
    const StackConfig& c = config_.decoder;
    const std::string tensor = fmt::format("decoder.layer.{}.", layer);
    const ValueId own =
        net.add("self_residual", x, self_attention(net, tensor + "self_attention.", layer, x));
    const ValueId crossed = net.add("cross_residual", own,
                                    cross_attention(net, tensor + "encoder_decoder_attention.", layer, own));
    const ValueId normed = net.rms_norm("mlp_norm", crossed, tensor + "mlp.layer_norm.weight", c.norm_eps);
    return finish_layer(net, layer, crossed, gated_mlp(net, c, tensor + "mlp.DenseReluDense.", normed));
  }

  ValueId final_norm(Net& net, const std::string& name, ValueId x) const override {
    return net.rms_norm(name, x, "decoder.final_layer_norm.weight", config_.decoder.norm_eps);
  }

 private:
  static AttentionSpec spec_of(const StackConfig& c) {
    AttentionSpec spec;
    spec.heads = c.heads;
    spec.kv_heads = c.heads;
    spec.head_dim = c.head_dim;
    spec.scale = 1;
    return spec;
  }

  static ValueId gated_mlp(Net& net, const StackConfig& c, const std::string& tensor, ValueId x) {
    const ValueId gate = net.linear("gate", x, c.intermediate, tensor + "wi_0.weight", "", "w_gate");
    const ValueId up = net.linear("up", x, c.intermediate, tensor + "wi_1.weight", "", "w_up");
    const ValueId inner =
        net.mul("gated", net.activation("gelu", gate, compiler::ActivationForm::kGeluTanh), up);
    return net.linear("mlp_out", inner, c.hidden, tensor + "wo.weight", "", "w_down");
  }

  ValueId self_attention(Net& net, const std::string& tensor, int64_t layer, ValueId x) const {
    const StackConfig& c = config_.decoder;
    const ValueId normed = net.rms_norm("attention_norm", x, tensor + "layer_norm.weight", c.norm_eps);
    const auto project = [&](const std::string& name, const std::string& from) {
      return net.linear(name, normed, c.heads * c.head_dim, tensor + "attention." + from + ".weight", "",
                        "w" + name);
    };
    AttentionSpec spec = spec_of(c);
    spec.bias = net.constant(
        "relative_bias", c.heads, net.positions(),
        relative_bias_source("decoder.layer.0.self_attention.attention.relative_attention_bias.weight",
                             config_.max_distance, net.positions()));
    const ValueId q = project("q", "query");
    const ValueId k = project("k", "key");
    const ValueId v = project("v", "value");
    const ValueId mixed = net.attend("attention", layer, {q, k, v}, spec);
    return net.linear("attention_out", mixed, c.hidden, tensor + "attention.output.weight", "", "wo");
  }

  ValueId cross_attention(Net& net, const std::string& tensor, int64_t layer, ValueId x) const {
    const StackConfig& c = config_.decoder;
    const int64_t keys = net.request().context_rows;
    const ValueId normed = net.rms_norm("cross_norm", x, tensor + "layer_norm.weight", c.norm_eps);
    const ValueId q = net.linear("cross_q", normed, c.heads * c.head_dim, tensor + "attention.query.weight");
    const ValueId k = net.cache(fmt::format("cross_k.{}", layer), keys, c.heads * c.head_dim);
    const ValueId v = net.cache(fmt::format("cross_v.{}", layer), keys, c.heads * c.head_dim);
    const ValueId mixed = net.op(OpKind::kCrossAttention, "cross_attention", {q, k, v},
                                 {{"capacity", keys},
                                  {"head_dim", c.head_dim},
                                  {"heads", c.heads},
                                  {"keys", keys},
                                  {"kv_heads", c.heads},
                                  {"query_tokens", net.request().query_tokens},
                                  {"scale", 1.0}});
    return net.linear("cross_out", mixed, c.hidden, tensor + "attention.output.weight");
  }

  ValueId encoder_layer(Net& net, int64_t layer, ValueId x) const {
    const StackConfig& c = config_.encoder;
    const std::string tensor = fmt::format("encoder.encoder.layer.{}.", layer);
    const ValueId normed =
        net.rms_norm("attention_norm", x, tensor + "pre_attention_layer_norm.weight", c.norm_eps);
    const auto project = [&](const std::string& name, const std::string& from) {
      return net.linear(name, normed, c.heads * c.head_dim, tensor + "attention." + from + ".weight", "",
                        "w" + name);
    };
    AttentionSpec spec = spec_of(c);
    spec.causal = false;
    const ValueId q = project("q", "query");
    const ValueId k = project("k", "key");
    const ValueId v = project("v", "value");
    const ValueId mixed = net.attend("attention", layer, {q, k, v}, spec);
    const ValueId out =
        net.linear("attention_out", mixed, c.hidden, tensor + "attention.output.weight", "", "wo");
    const ValueId residual = net.add("attention_residual", x, out);
    const ValueId second =
        net.rms_norm("mlp_norm", residual, tensor + "pre_mlp_layer_norm.weight", c.norm_eps);
    return finish_layer(net, layer, residual, gated_mlp(net, c, tensor + "mlp.", second));
  }

  void encode(Net& net) const {
    const StackConfig& c = config_.encoder;
    const std::string at = "encoder.embeddings.";
    const ValueId patches = net.input("patches", net.rows(), config_.patch_values, net.request().activations);
    const ValueId rows = net.linear("patch_rows", patches, c.hidden, at + "patch_projection.weight",
                                    at + "patch_projection.bias");
    const auto place = [&](const std::string& name, const std::string& tensor) {
      const ValueId ids = net.input(name + "_ids", net.rows(), 1, DType::kInt32);
      return net.op(OpKind::kEmbedding, name,
                    {ids, net.weight(name + ".w", config_.grid, c.hidden, at + tensor)});
    };
    const ValueId with_row = net.add("with_row", rows, place("row", "row_embedder.weight"));
    ValueId x = net.add("layer_hidden.0", with_row, place("column", "column_embedder.weight"));
    for (int64_t i = 0; i < c.layers; ++i) {
      net.begin_layer(i);
      x = encoder_layer(net, i, x);
      net.end_layer();
    }
    x = net.rms_norm("encoder_last_hidden", x, "encoder.layernorm.weight", c.norm_eps);
    if (net.request().expose_hidden) net.set_output(x);
    for (int64_t i = 0; i < config_.decoder.layers; ++i) {
      for (const auto& [name, from] : {std::pair{"cross_k", "key"}, std::pair{"cross_v", "value"}}) {
        net.set_output(net.linear(
            fmt::format("{}.{}", name, i), x, config_.decoder.heads * config_.decoder.head_dim,
            fmt::format("decoder.layer.{}.encoder_decoder_attention.attention.{}.weight", i, from)));
      }
    }
  }

  Pix2StructConfig config_;
};

Status parse_vision(const DocumentNode& node, Pix2StructConfig& c) {
  ConfigReader reader(node);
  RDU_ASSIGN(c.encoder.hidden, reader.integer("hidden_size", 1, kMaxWidth));
  RDU_ASSIGN(c.encoder.layers, reader.integer("num_hidden_layers", 1, kMaxLayers));
  RDU_ASSIGN(c.encoder.heads, reader.integer("num_attention_heads", 1, kMaxWidth));
  RDU_ASSIGN(c.encoder.head_dim, reader.integer("d_kv", 1, kMaxWidth));
  RDU_ASSIGN(c.encoder.intermediate, reader.integer("d_ff", 1, kMaxWidth));
  RDU_ASSIGN(c.encoder.norm_eps, reader.real("layer_norm_eps", 0, 1));
  RDU_ASSIGN(c.patch_values, reader.integer("patch_embed_hidden_size", 1, kMaxWidth));
  RDU_ASSIGN(c.grid, reader.integer("seq_len", 1, 1 << 20));
  RDU_CHECK_OK(reader.must_be_if_present("dense_act_fn", "gelu_new"));
  RDU_CHECK_OK(reader.must_be_if_present("layer_norm_bias", "false"));
  ignore_harmless(reader);
  // The encoder has no relative bias; sizes of the patches are in patch_embed_hidden_size.
  reader.ignore({"dropout_rate", "relative_attention_max_distance", "relative_attention_num_buckets",
                 "max_patches", "num_channels", "patch_size", "projection_dim"});
  return reader.finish();
}

Status parse_text(const DocumentNode& node, Pix2StructConfig& c) {
  ConfigReader reader(node);
  RDU_ASSIGN(c.decoder.hidden, reader.integer("hidden_size", 1, kMaxWidth));
  RDU_ASSIGN(c.decoder.layers, reader.integer("num_layers", 1, kMaxLayers));
  RDU_ASSIGN(c.decoder.heads, reader.integer("num_heads", 1, kMaxWidth));
  RDU_ASSIGN(c.decoder.head_dim, reader.integer("d_kv", 1, kMaxWidth));
  RDU_ASSIGN(c.decoder.intermediate, reader.integer("d_ff", 1, kMaxWidth));
  RDU_ASSIGN(c.decoder.norm_eps, reader.real("layer_norm_epsilon", 0, 1));
  RDU_ASSIGN(c.vocabulary, reader.integer("vocab_size", 1, kMaxVocabulary));
  RDU_ASSIGN(c.buckets, reader.integer("relative_attention_num_buckets", 2, 1 << 16));
  RDU_ASSIGN(c.max_distance, reader.integer("relative_attention_max_distance", c.buckets / 2 + 1, 1 << 20));
  RDU_CHECK_OK(reader.must_be_if_present("dense_act_fn", "gelu_new"));
  RDU_CHECK_OK(reader.must_be_if_present("tie_word_embeddings", "false"));
  ignore_harmless(reader);
  reader.ignore({"dropout_rate", "decoder_start_token_id", "is_decoder", "encoder_hidden_size"});
  RDU_CHECK_OK(reader.finish());
  if (c.encoder.hidden == c.decoder.hidden && c.encoder.heads * c.encoder.head_dim == c.encoder.hidden &&
      c.decoder.heads * c.decoder.head_dim == c.decoder.hidden) {
    return {};
  }
  return config_error(node, ErrorCode::kUnsupported,
                      "encoder and decoder differ in width, or heads do not fill it");
}

}  // namespace

Result<std::unique_ptr<Model>> make_pix2struct(const std::string& name, const DocumentNode& config) {
  ConfigReader reader(config);
  Pix2StructConfig pix;
  RDU_ASSIGN(const DocumentNode* vision, config.at("vision_config"));
  RDU_ASSIGN(const DocumentNode* text, config.at("text_config"));
  RDU_CHECK_OK(parse_vision(*vision, pix));
  RDU_CHECK_OK(parse_text(*text, pix));
  RDU_CHECK_OK(reader.must_be_if_present("tie_word_embeddings", "false"));
  ignore_harmless(reader);
  reader.ignore({"vision_config", "text_config", "is_encoder_decoder", "is_vqa", "decoder_start_token_id"});
  RDU_CHECK_OK(reader.finish());
  return std::unique_ptr<Model>(std::make_unique<Pix2StructModel>(name, pix));
}

}  // namespace rdusim::models
