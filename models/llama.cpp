// Llama, Mistral and Qwen2 (model_type llama, mistral, qwen2): pre-norm decoder, grouped-query attention,
// rotary positions, SwiGLU; Mistral may add a sliding window, Qwen2 biases on queries, keys and values.
// Architectures without a head (MistralModel: e5-mistral) embed text: last token, final norm, unit length.
// Llama may carry Medusa heads (MedusaLlamaModel): see medusa_heads.h. Keys, defaults and tensor names as in
// the Hugging Face classes.
#include <fmt/format.h>

#include "models/blocks/decoder_block.h"
#include "models/blocks/medusa_heads.h"
#include "models/config_reader.h"
#include "models/model.h"
#include "models/request.h"
#include "models/training.h"

namespace rdusim::models {
namespace {

class LlamaModel : public DecoderModel {
 public:
  LlamaModel(const std::string& name, const std::string& family, const DecoderConfig& config,
             const MedusaHeads& heads)
      : DecoderModel(name, family, decoder_size(config)), config_(config), medusa_(heads) {}

  [[nodiscard]] bool supports(Phase phase) const override {
    return phase == Phase::kTrain ? trains() : DecoderModel::supports(phase);
  }
  [[nodiscard]] Result<compiler::Graph> build(const GraphRequest& request) const override {
    if (request.phase != Phase::kTrain) return DecoderModel::build(request);
    RDU_CHECK_OK(check_request(*this, request));
    // Forward, and twice that backward.
    RDU_CHECK_OK(check_work(3 * flops(request)));
    TrainingConfig training;
    training.hidden = config_.hidden;
    training.layers = config_.layers;
    training.heads = config_.heads;
    training.kv_heads = config_.kv_heads;
    training.head_dim = config_.head_dim;
    training.intermediate = config_.intermediate;
    training.vocabulary = config_.vocabulary;
    training.norm_eps = config_.norm_eps;
    training.rope = config_.rope;
    training.sequences = request.batch;
    training.tokens = request.query_tokens;
    training.weights = request.weights;
    training.activations = request.activations;
    training.weight_blocks = request.weight_blocks;
    return training_step(name(), training);
  }

 protected:
  [[nodiscard]] Counts counts() const override {
    Counts all = decoder_counts(config_);
    const Counts heads = medusa_counts(medusa_);
    all.total += heads.total;
    all.active += heads.active;
    all.macs += heads.macs;
    return all;
  }
  ValueId layer(Net& net, int64_t layer, ValueId x) const override {
    return decoder_layer(net, config_, layer, x);
  }
  ValueId final_norm(Net& net, const std::string& name, ValueId x) const override {
    return net.rms_norm(name, x, config_.tensor_prefix + "norm.weight", config_.norm_eps);
  }
  void more_heads(Net& net, ValueId last_hidden) const override {
    if (medusa_.heads > 0) add_medusa_heads(net, medusa_, last_hidden);
  }

 private:
  // What training.h has.
  [[nodiscard]] bool trains() const {
    return config_.has_head && !config_.tied_embeddings && !config_.qkv_bias && config_.window == 0 &&
           medusa_.heads == 0;
  }

  DecoderConfig config_;
  MedusaHeads medusa_;
};

Status parse_mistral_window(ConfigReader& reader, DecoderConfig& decoder) {
  if (reader.optional("sliding_window") == nullptr) return {};
  RDU_ASSIGN(decoder.window, reader.integer("sliding_window", 1, kMaxWindow));
  return {};
}

// Published Qwen2 models have a window's size in their config and use_sliding_window false.
Status parse_qwen2(ConfigReader& reader, DecoderConfig& decoder) {
  decoder.qkv_bias = true;
  RDU_CHECK_OK(reader.must_be_if_present("use_sliding_window", "false"));
  RDU_CHECK_OK(reader.must_be_if_present("attention_bias", "true"));
  reader.ignore({"sliding_window", "max_window_layers"});
  return {};
}

Status parse_medusa(ConfigReader& reader, const DecoderConfig& decoder, MedusaHeads& medusa) {
  RDU_ASSIGN(medusa.heads, reader.integer("medusa_num_heads", 1, kMaxMedusaHeads));
  RDU_ASSIGN(medusa.blocks, reader.integer("medusa_num_layers", 1, kMaxLayers));
  medusa.hidden = decoder.hidden;
  medusa.vocabulary = decoder.vocabulary;
  medusa.tensor_prefix = "medusa_head.";
  return {};
}

}  // namespace

Result<std::unique_ptr<Model>> make_llama(const std::string& name, const DocumentNode& config) {
  RDU_ASSIGN(const DocumentNode* type_node, config.at("model_type"));
  RDU_ASSIGN(const std::string type, type_node->as_string());
  const std::string family = type == "llama" ? "Llama" : type == "mistral" ? "Mistral" : "Qwen2";
  ConfigReader reader(config);
  DecoderConfig decoder;
  MedusaHeads medusa;
  std::vector<std::string> architectures = {family + "ForCausalLM", family + "Model"};
  if (type == "llama") architectures.emplace_back("MedusaLlamaModel");
  RDU_ASSIGN(const std::string architecture, reader.one_of("architectures", architectures));
  decoder.has_head = architecture != family + "Model";
  decoder.tensor_prefix = decoder.has_head ? "model." : "";
  RDU_CHECK_OK(parse_decoder(reader, config, decoder));
  if (type == "mistral") RDU_CHECK_OK(parse_mistral_window(reader, decoder));
  if (type == "qwen2") RDU_CHECK_OK(parse_qwen2(reader, decoder));
  if (architecture == "MedusaLlamaModel") RDU_CHECK_OK(parse_medusa(reader, decoder, medusa));
  RDU_CHECK_OK(reader.must_be_if_present("hidden_act", "silu"));
  if (type != "qwen2") RDU_CHECK_OK(reader.must_be_if_present("attention_bias", "false"));
  RDU_CHECK_OK(reader.must_be_if_present("mlp_bias", "false"));
  RDU_CHECK_OK(reader.finish());
  return std::unique_ptr<Model>(std::make_unique<LlamaModel>(name, type, decoder, medusa));
}

}  // namespace rdusim::models
