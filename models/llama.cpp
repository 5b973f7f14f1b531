// Llama and Mistral (model_type llama, mistral): pre-norm decoder, grouped-query attention, rotary positions,
// SwiGLU; Mistral may add a sliding window. Architectures without a head (MistralModel: e5-mistral) embed
// text: last token, final norm, unit length. Keys, defaults and tensor names as in the Hugging Face classes
// LlamaForCausalLM and MistralForCausalLM / MistralModel.
#include <fmt/format.h>

#include "models/blocks/decoder_block.h"
#include "models/config_reader.h"
#include "models/model.h"
#include "models/request.h"

namespace rdusim::models {
namespace {

using compiler::OpKind;

// Bounds that keep every count of parameters and FLOPs far below 2^63; an order of magnitude above any
// published model.
constexpr int64_t kMaxWidth = int64_t{1} << 20;
constexpr int64_t kMaxLayers = int64_t{1} << 12;
constexpr int64_t kMaxVocabulary = (int64_t{1} << 24) - 1;  // token ids stay exact in FP32 (base/tensor.h)
constexpr int64_t kMaxWindow = int64_t{1} << 30;

class LlamaModel : public Model {
 public:
  LlamaModel(std::string name, std::string family, DecoderConfig config)
      : name_(std::move(name)), family_(std::move(family)), config_(std::move(config)) {}

  [[nodiscard]] std::string family() const override { return family_; }
  [[nodiscard]] int64_t layers() const override { return config_.layers; }
  [[nodiscard]] bool supports(Phase phase) const override {
    if (phase == Phase::kRoute) return false;
    return (phase == Phase::kEmbed) == !config_.has_head;
  }
  [[nodiscard]] ModelFacts facts() const override { return decoder_facts(config_); }

  [[nodiscard]] Result<compiler::Graph> build(const GraphRequest& request) const override {
    RDU_CHECK_OK(check_request(*this, request));
    RDU_CHECK_OK(check_work(decoder_flops(config_, request)));
    DecoderBuild build(config_, request, name_);
    std::vector<ValueId> hidden;
    RDU_ASSIGN(ValueId x, embed_tokens(build));
    hidden.push_back(x);
    for (int64_t layer = 0; layer < config_.layers; ++layer) {
      RDU_ASSIGN(x, decoder_layer(build, layer, x));
      hidden.push_back(x);
    }
    RDU_ASSIGN(x, finish(build, x));
    if (request.expose_hidden) {
      for (const ValueId value : hidden) build.builder.set_role(value, SymbolRole::kOutput);
    }
    return std::move(build.builder).take();
  }

 private:
  // Final norm and head. Both work row by row, so the rows that nobody asks for are dropped first.
  Result<ValueId> finish(DecoderBuild& build, ValueId x) const {
    const GraphRequest& request = build.request;
    const bool every_row = request.expose_hidden || (request.all_logits && config_.has_head);
    if (!every_row) {
      RDU_ASSIGN(x, last_rows(build, x));
    }
    RDU_ASSIGN(x, norm(build, "last_hidden", x, config_.tensor_prefix + "norm.weight"));
    if (request.expose_hidden) build.builder.set_role(x, SymbolRole::kOutput);
    if (every_row && !(request.all_logits && config_.has_head)) {
      RDU_ASSIGN(x, last_rows(build, x));
    }
    if (config_.has_head) return language_head(build, x);
    RDU_ASSIGN(x, build.builder.add(OpKind::kL2Normalize, "embeddings", {x}));
    build.builder.set_role(x, SymbolRole::kOutput);
    return x;
  }

  static Result<ValueId> last_rows(DecoderBuild& build, ValueId x) {
    if (build.request.query_tokens == 1) return x;
    return build.builder.add(OpKind::kLastToken, "last_token", {x},
                             {{"query_tokens", build.request.query_tokens}});
  }

  std::string name_;
  std::string family_;
  DecoderConfig config_;
};

Result<RopeScaling> parse_llama3_scaling(ConfigReader& reader) {
  constexpr double kMost = 1e9;
  RopeScaling scaling;
  scaling.kind = RopeScaling::Kind::kLlama3;
  RDU_ASSIGN(scaling.factor, reader.real("factor", 1, kMost));
  RDU_ASSIGN(scaling.low_freq_factor, reader.real("low_freq_factor", 1e-9, kMost));
  RDU_ASSIGN(scaling.high_freq_factor, reader.real("high_freq_factor", 1e-9, kMost));
  RDU_ASSIGN(scaling.original_positions, reader.real("original_max_position_embeddings", 1, kMost));
  return scaling;
}

Result<RopeScaling> parse_rope_scaling(const DocumentNode& node) {
  ConfigReader reader(node);
  const char* const type_key = node.find("rope_type") != nullptr ? "rope_type" : "type";
  RDU_ASSIGN(const std::string type, reader.one_of(type_key, {"default", "linear", "llama3"}));
  reader.ignore({"type", "rope_type"});  // some configs carry both spellings
  RopeScaling scaling;
  if (type == "linear") {
    scaling.kind = RopeScaling::Kind::kLinear;
    RDU_ASSIGN(scaling.factor, reader.real("factor", 1, 1e9));
  }
  if (type == "llama3") {
    RDU_ASSIGN(scaling, parse_llama3_scaling(reader));
    if (scaling.high_freq_factor <= scaling.low_freq_factor) {
      return config_error(node, ErrorCode::kOutOfRange, "high_freq_factor is not above low_freq_factor");
    }
  }
  RDU_CHECK_OK(reader.finish());
  return scaling;
}

Status parse_heads(ConfigReader& reader, const DocumentNode& config, DecoderConfig& decoder) {
  RDU_ASSIGN(decoder.heads, reader.integer("num_attention_heads", 1, kMaxWidth));
  RDU_ASSIGN(decoder.kv_heads, reader.positive_or("num_key_value_heads", decoder.heads));
  if (decoder.heads % decoder.kv_heads != 0) {
    return config_error(config, ErrorCode::kInvalidInput,
                        fmt::format("num_attention_heads {} is not a multiple of num_key_value_heads {}",
                                    decoder.heads, decoder.kv_heads));
  }
  if (reader.optional("head_dim") != nullptr) {
    RDU_ASSIGN(decoder.head_dim, reader.integer("head_dim", 2, kMaxWidth / decoder.heads));
  } else if (decoder.hidden % decoder.heads != 0) {
    return config_error(config, ErrorCode::kInvalidInput,
                        fmt::format("hidden_size {} is not a multiple of num_attention_heads {}",
                                    decoder.hidden, decoder.heads),
                        "or give head_dim");
  } else {
    decoder.head_dim = decoder.hidden / decoder.heads;
  }
  if (decoder.head_dim % 2 == 0) return {};
  return config_error(config, ErrorCode::kInvalidInput, fmt::format("head_dim {} is odd", decoder.head_dim),
                      "rotary positions work on pairs");
}

Status parse_positions(ConfigReader& reader, bool has_window, DecoderConfig& decoder) {
  RDU_ASSIGN(decoder.rope.theta, reader.real_or("rope_theta", 10000.0, 1, 1e12));
  if (const DocumentNode* scaling = reader.optional("rope_scaling")) {
    RDU_ASSIGN(decoder.rope.scaling, parse_rope_scaling(*scaling));
  }
  if (has_window && reader.optional("sliding_window") != nullptr) {
    RDU_ASSIGN(decoder.window, reader.integer("sliding_window", 1, kMaxWindow));
  }
  return {};
}

Result<DecoderConfig> parse_config(const DocumentNode& config, bool mistral) {
  ConfigReader reader(config);
  DecoderConfig decoder;
  const std::string family = mistral ? "Mistral" : "Llama";
  RDU_ASSIGN(const std::string architecture,
             reader.one_of("architectures", {family + "ForCausalLM", family + "Model"}));
  decoder.has_head = architecture == family + "ForCausalLM";
  decoder.tensor_prefix = decoder.has_head ? "model." : "";
  RDU_ASSIGN(decoder.hidden, reader.integer("hidden_size", 1, kMaxWidth));
  RDU_ASSIGN(decoder.intermediate, reader.integer("intermediate_size", 1, kMaxWidth));
  RDU_ASSIGN(decoder.layers, reader.integer("num_hidden_layers", 1, kMaxLayers));
  RDU_ASSIGN(decoder.vocabulary, reader.integer("vocab_size", 1, kMaxVocabulary));
  RDU_ASSIGN(decoder.norm_eps, reader.real("rms_norm_eps", 0, 1));
  RDU_ASSIGN(decoder.tied_embeddings, reader.boolean_or("tie_word_embeddings", false));
  RDU_CHECK_OK(parse_heads(reader, config, decoder));
  RDU_CHECK_OK(parse_positions(reader, mistral, decoder));
  RDU_CHECK_OK(reader.must_be_if_present("hidden_act", "silu"));
  RDU_CHECK_OK(reader.must_be_if_present("attention_bias", "false"));
  RDU_CHECK_OK(reader.must_be_if_present("mlp_bias", "false"));
  // Dropout and initialisation matter in training only; token ids and lengths to the caller; pretraining_tp
  // changes the order of sums, not the result; weights are computed as stored in BF16 whatever type they were
  // released in.
  reader.ignore({"model_type", "attention_dropout", "initializer_range", "bos_token_id", "eos_token_id",
                 "pad_token_id", "max_position_embeddings", "pretraining_tp", "torch_dtype", "dtype",
                 "use_cache", "transformers_version", "_name_or_path"});
  RDU_CHECK_OK(reader.finish());
  return decoder;
}

}  // namespace

Result<std::unique_ptr<Model>> make_llama(const std::string& name, const DocumentNode& config) {
  RDU_ASSIGN(const DocumentNode* type_node, config.at("model_type"));
  RDU_ASSIGN(const std::string type, type_node->as_string());
  RDU_ASSIGN(DecoderConfig decoder, parse_config(config, type == "mistral"));
  return std::unique_ptr<Model>(std::make_unique<LlamaModel>(name, type, std::move(decoder)));
}

}  // namespace rdusim::models
