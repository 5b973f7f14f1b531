// LLaVA-1.5 (model_type llava): a CLIP vision tower read before its last layer, a two-layer GELU projector,
// and a Llama whose image tokens' rows are the projected patches. Phase encode makes the image features (with
// a row of the class token first, which nobody reads); a prefill with context_rows > 0 merges them by the
// input "image_index": the row of the features that stands at each position, -1 for text. Keys, defaults and
// tensor names as in the Hugging Face class LlavaForConditionalGeneration.
#include <fmt/format.h>

#include "models/blocks/vision_tower.h"
#include "models/model.h"
#include "models/request.h"

namespace rdusim::models {
namespace {

using compiler::OpKind;

struct LlavaConfig {
  DecoderConfig text;
  VisionTower vision;
  int64_t vision_layers = 0;  // run: those up to the feature layer
};

class LlavaModel : public DecoderModel {
 public:
  LlavaModel(const std::string& name, const LlavaConfig& config)
      : DecoderModel(name, "llava", decoder_size(config.text)), config_(config) {}

  [[nodiscard]] bool supports(Phase phase) const override {
    return phase == Phase::kEncode || DecoderModel::supports(phase);
  }

  [[nodiscard]] Result<compiler::Graph> build(const GraphRequest& request) const override {
    if (request.phase != Phase::kEncode) return DecoderModel::build(request);
    GraphRequest wanted = request;
    wanted.query_tokens = config_.vision.tokens();
    RDU_CHECK_OK(check_request(*this, wanted));
    Net net(name(), wanted);
    encode(net);
    return std::move(net).take();
  }

 protected:
  // A decoded token reads the language model only.
  [[nodiscard]] Counts counts() const override {
    Counts counts = decoder_counts(config_.text);
    const int64_t h = config_.text.hidden;
    counts.total += vision_parameters(config_.vision) + config_.vision.layers.hidden * h + h + h * h + h;
    return counts;
  }

  ValueId embed(Net& net) const override {
    const int64_t images = net.request().context_rows;
    if (images == 0) return token_rows(net, "layer_hidden.0");
    const ValueId rows = token_rows(net, "token_rows");
    const ValueId index = net.input("image_index", net.rows(), 1, DType::kInt32);
    const ValueId features =
        net.input("image_features", images, config_.text.hidden, net.request().activations);
    return net.op(OpKind::kMergeRows, "layer_hidden.0", {rows, index, features});
  }

  ValueId layer(Net& net, int64_t layer, ValueId x) const override {
    return decoder_layer(net, config_.text, layer, x);
  }
  ValueId final_norm(Net& net, const std::string& name, ValueId x) const override {
    return net.rms_norm(name, x, config_.text.tensor_prefix + "norm.weight", config_.text.norm_eps);
  }

 private:
  void encode(Net& net) const {
    const VisionTower& t = config_.vision;
    ValueId x = embed_patches(net, t);
    for (int64_t i = 0; i < config_.vision_layers; ++i) {
      net.begin_layer(i);
      x = clip_layer(net, t.layers, t.tensor_prefix + "encoder.layers.", i, x, false);
      net.end_layer();
    }
    const auto linear = [&](const std::string& name, ValueId of) {
      const std::string tensor = "multi_modal_projector." + name;
      return net.linear(name, of, config_.text.hidden, tensor + ".weight", tensor + ".bias");
    };
    const ValueId inner =
        net.activation("projector_gelu", linear("linear_1", x), compiler::ActivationForm::kGelu);
    const std::string tensor = "multi_modal_projector.linear_2";
    const ValueId features =
        net.linear("image_features", inner, config_.text.hidden, tensor + ".weight", tensor + ".bias");
    net.set_output(features);
  }

  LlavaConfig config_;
};

Status parse_text(const DocumentNode& node, DecoderConfig& text) {
  ConfigReader reader(node);
  RDU_CHECK_OK(parse_decoder(reader, node, text));
  RDU_CHECK_OK(reader.must_be_if_present("model_type", "llama"));
  RDU_CHECK_OK(reader.must_be_if_present("hidden_act", "silu"));
  RDU_CHECK_OK(reader.must_be_if_present("attention_bias", "false"));
  RDU_CHECK_OK(reader.must_be_if_present("mlp_bias", "false"));
  text.tensor_prefix = "language_model.model.";
  text.head_prefix = "language_model.";
  return reader.finish();
}

}  // namespace

Result<std::unique_ptr<Model>> make_llava(const std::string& name, const DocumentNode& config) {
  ConfigReader reader(config);
  LlavaConfig llava;
  RDU_ASSIGN(const DocumentNode* vision, config.at("vision_config"));
  RDU_ASSIGN(const DocumentNode* text, config.at("text_config"));
  RDU_ASSIGN(llava.vision, parse_vision_tower(*vision, false));
  RDU_CHECK_OK(parse_text(*text, llava.text));
  llava.vision.tensor_prefix = "vision_tower.vision_model.";
  // -1 is the last layer's output, -2 the one before: the layers after it are not run.
  RDU_ASSIGN(const int64_t feature_layer,
             reader.integer("vision_feature_layer", -llava.vision.layers.layers, -1));
  llava.vision_layers = llava.vision.layers.layers + feature_layer + 1;
  RDU_CHECK_OK(reader.must_be_if_present("vision_feature_select_strategy", "default"));
  RDU_CHECK_OK(reader.must_be_if_present("projector_hidden_act", "gelu"));
  RDU_CHECK_OK(reader.must_be_if_present("mm_projector_type", "mlp2x_gelu"));
  RDU_CHECK_OK(reader.must_be_if_present("tie_word_embeddings", "false"));
  ignore_harmless(reader);
  reader.ignore({"vision_config", "text_config", "ignore_index", "image_token_index", "image_seq_length",
                 "vocab_size"});
  RDU_CHECK_OK(reader.finish());
  return std::unique_ptr<Model>(std::make_unique<LlavaModel>(name, llava));
}

}  // namespace rdusim::models
