// CLIP (model_type clip, and clip_vision_model: its vision tower with projection). Phase encode takes images
// as patches, phase embed takes texts that end with their end-of-text token; both give hidden states, the
// projection and the unit vectors whose products, times exp(logit_scale), are the similarities. Keys,
// defaults and tensor names as in the Hugging Face classes.
#include <fmt/format.h>

#include "models/blocks/vision_tower.h"
#include "models/model.h"
#include "models/request.h"

namespace rdusim::models {
namespace {

using compiler::OpKind;

struct ClipConfig {
  VisionTower vision;
  ClipLayers text;
  int64_t vocabulary = 0;
  int64_t positions = 0;
  int64_t projection = 0;
  bool has_text = false;
};

class ClipModel : public Model {
 public:
  ClipModel(std::string name, ClipConfig config) : name_(std::move(name)), config_(std::move(config)) {}

  [[nodiscard]] std::string family() const override { return "clip"; }
  [[nodiscard]] int64_t layers() const override { return config_.vision.layers.layers; }
  [[nodiscard]] bool supports(Phase phase) const override {
    return phase == Phase::kEncode || (phase == Phase::kEmbed && config_.has_text);
  }

  // Nothing is decoded: no FLOPs a token but those of reading every parameter once.
  [[nodiscard]] ModelFacts facts() const override {
    const ClipConfig& c = config_;
    const int64_t h = c.text.hidden;
    Counts counts;
    counts.total = vision_parameters(c.vision) + c.projection * c.vision.layers.hidden;
    if (c.has_text) {
      counts.total += (c.vocabulary + c.positions) * h + c.text.layers * clip_layer_parameters(c.text) +
                      2 * h + c.projection * h + 1;
    }
    counts.active = counts.total;
    return facts_of(counts);
  }

  [[nodiscard]] Result<compiler::Graph> build(const GraphRequest& request) const override {
    GraphRequest wanted = request;
    if (request.phase == Phase::kEncode) wanted.query_tokens = config_.vision.tokens();
    RDU_CHECK_OK(check_request(*this, wanted));
    RDU_CHECK_OK(check_work(static_cast<double>(facts().flops_per_token) * static_cast<double>(wanted.batch) *
                            static_cast<double>(wanted.query_tokens)));
    Net net(name_, wanted);
    if (request.phase == Phase::kEncode) {
      encode(net);
    } else {
      embed(net);
    }
    return std::move(net).take();
  }

 private:
  ValueId stack(Net& net, const ClipLayers& layers, const std::string& tensor, ValueId x, bool causal,
                const char* before_last) const {
    for (int64_t i = 0; i < layers.layers; ++i) {
      if (before_last != nullptr && i + 1 == layers.layers && net.request().expose_hidden) net.set_output(x);
      net.begin_layer(i);
      x = clip_layer(net, layers, tensor, i, x, causal);
      net.end_layer();
    }
    return x;
  }

  void project(Net& net, ValueId pooled, const std::string& kind, const std::string& tensor) const {
    const ValueId projected = net.linear(kind + "_projection", pooled, config_.projection, tensor);
    net.set_fp32(projected);
    net.set_output(projected);
    const ValueId unit = net.op(OpKind::kL2Normalize, kind + "_embeds", {projected});
    net.set_fp32(unit);
    net.set_output(unit);
  }

  void encode(Net& net) const {
    const VisionTower& t = config_.vision;
    const ValueId x =
        stack(net, t.layers, t.tensor_prefix + "encoder.layers.", embed_patches(net, t), false, "minus2");
    net.set_output(x);
    const ValueId first =
        net.op(OpKind::kFirstToken, "class_row", {x}, {{"query_tokens", net.request().query_tokens}});
    const ValueId pooled = net.layer_norm("vision_pooled", first, t.tensor_prefix + "post_layernorm.weight",
                                          t.tensor_prefix + "post_layernorm.bias", t.layers.norm_eps);
    if (net.request().expose_hidden) net.set_output(pooled);
    project(net, pooled, "image", "visual_projection.weight");
  }

  void embed(Net& net) const {
    const ClipConfig& c = config_;
    const ValueId rows = net.embed_tokens("token_rows", c.vocabulary, c.text.hidden,
                                          "text_model.embeddings.token_embedding.weight");
    const ValueId table = net.weight("positions", c.positions, c.text.hidden,
                                     "text_model.embeddings.position_embedding.weight");
    const ValueId placed =
        net.op(OpKind::kPositionAdd, "layer_hidden.0", {rows, table},
               {{"past_tokens", int64_t{0}}, {"query_tokens", net.request().query_tokens}});
    const ValueId x = stack(net, c.text, "text_model.encoder.layers.", placed, true, nullptr);
    const ValueId hidden = net.layer_norm("text_last_hidden", x, "text_model.final_layer_norm.weight",
                                          "text_model.final_layer_norm.bias", c.text.norm_eps);
    if (net.request().expose_hidden) net.set_output(hidden);
    project(net, net.last_rows("text_pooled", hidden), "text", "text_projection.weight");
  }

  std::string name_;
  ClipConfig config_;
};

Status parse_text(const DocumentNode& node, ClipConfig& clip) {
  ConfigReader reader(node);
  RDU_CHECK_OK(parse_clip_layers(reader, node, clip.text));
  RDU_ASSIGN(clip.vocabulary, reader.integer("vocab_size", 1, kMaxVocabulary));
  RDU_ASSIGN(clip.positions, reader.integer("max_position_embeddings", 1, 1 << 20));
  return reader.finish();
}

}  // namespace

Result<std::unique_ptr<Model>> make_clip(const std::string& name, const DocumentNode& config) {
  RDU_ASSIGN(const DocumentNode* type_node, config.at("model_type"));
  ClipConfig clip;
  clip.has_text = type_node->text == "clip";
  ConfigReader reader(config);
  RDU_ASSIGN(clip.projection, reader.integer("projection_dim", 1, kMaxWidth));
  if (!clip.has_text) {
    RDU_ASSIGN(clip.vision, parse_vision_tower(config, true));
    return std::unique_ptr<Model>(std::make_unique<ClipModel>(name, clip));
  }
  RDU_ASSIGN(const DocumentNode* vision, config.at("vision_config"));
  RDU_ASSIGN(const DocumentNode* text, config.at("text_config"));
  RDU_ASSIGN(clip.vision, parse_vision_tower(*vision, false));
  RDU_CHECK_OK(parse_text(*text, clip));
  ignore_harmless(reader);
  reader.ignore({"vision_config", "text_config", "logit_scale_init_value"});
  RDU_CHECK_OK(reader.finish());
  return std::unique_ptr<Model>(std::make_unique<ClipModel>(name, clip));
}

}  // namespace rdusim::models
