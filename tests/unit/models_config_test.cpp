// Does a config.json become the right model, and does every key that we cannot honour become an error at its
// place?
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <string>

#include "base/io/file.h"
#include "compiler/graph/verify.h"
#include "models/constants.h"
#include "models/model.h"

namespace rdusim::models {
namespace {

using compiler::Graph;
using compiler::Node;
using compiler::OpKind;
using compiler::Value;

constexpr const char* kTiny =
    R"({"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 8,
 "intermediate_size": 12, "num_attention_heads": 4, "num_key_value_heads": 2, "num_hidden_layers": 2, "vocab_size": 16,
 "rms_norm_eps": 1e-05, "rope_theta": 10000.0, "tie_word_embeddings": false})";

std::string with(const std::string& member) {
  return std::string(kTiny).insert(1, member + ", ");
}
std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

Result<std::unique_ptr<Model>> parse(const std::string& text) {
  Result<DocumentNode> config = read_json_text(text, "config.json");
  if (!config.ok()) return config.take_error();
  return make_model("tiny", *config);
}
std::unique_ptr<Model> model(const std::string& text) {
  Result<std::unique_ptr<Model>> made = parse(text);
  if (!made.ok()) throw std::runtime_error(made.error().to_string());
  return std::move(made).value();
}
std::string error_of(const std::string& text) {
  const Result<std::unique_ptr<Model>> made = parse(text);
  return made.ok() ? "no error" : made.error().to_string();
}
Graph graph_of(const std::string& text, const GraphRequest& request) {
  Result<Graph> graph = model(text)->build(request);
  if (!graph.ok()) throw std::runtime_error(graph.error().to_string());
  return std::move(graph).value();
}
const Value* find(const Graph& graph, const std::string& name) {
  for (const Value& value : graph.values) {
    if (value.name == name) return &value;
  }
  return nullptr;
}
const Node& first(const Graph& graph, OpKind op) {
  for (const Node& node : graph.nodes) {
    if (node.op == op) return node;
  }
  throw std::runtime_error("no such node");
}

#define EXPECT_HAS(text, part) EXPECT_NE((text).find(part), std::string::npos) << (text)

TEST(LlamaConfig, FactsCountEveryTensorOnce) {
  const ModelFacts facts = model(kTiny)->facts();
  const int64_t layer = 8 * 8 * 2 + 2 * 8 * 4 + 3 * 8 * 12 + 2 * 8;
  EXPECT_EQ(facts.total_parameters, 2 * 16 * 8 + 2 * layer + 8);
  EXPECT_EQ(facts.weight_bytes, 2 * facts.total_parameters);
  EXPECT_EQ(facts.kv_bytes_per_token, 2 * 2 * 2 * 2 * 2);  // layers, keys and values, heads, head_dim, bytes
  const ModelFacts tied =
      model(replaced(kTiny, "\"tie_word_embeddings\": false", "\"tie_word_embeddings\": true"))->facts();
  EXPECT_EQ(tied.total_parameters, facts.total_parameters - 16 * 8);
}

TEST(LlamaConfig, FactsAreTheSizesOfTheGraphsWeights) {
  const Graph graph = graph_of(kTiny, {.phase = Phase::kPrefill, .query_tokens = 3});
  int64_t parameters = 0;
  for (const Value& value : graph.values) {
    if (value.role == SymbolRole::kWeight) parameters += value.shape.elements();
  }
  EXPECT_EQ(parameters, model(kTiny)->facts().total_parameters);
}

TEST(LlamaConfig, UnknownKeysAreErrorsWithTheNearest) {
  EXPECT_HAS(error_of(with("\"sliding_windw\": 4")), "config.json:1:");
  EXPECT_HAS(error_of(with("\"rope_teta\": 4")), "did you mean rope_theta?");
  EXPECT_HAS(error_of(with("\"partial_rotary_factor\": 0.5")), "unknown key partial_rotary_factor");
  EXPECT_HAS(error_of(with("\"sliding_window\": 4")), "unknown key sliding_window");  // Llama has none
}

TEST(LlamaConfig, KeysThatChangeTheArithmetic) {
  EXPECT_HAS(error_of(with("\"hidden_act\": \"gelu\"")), "only silu is modelled");
  EXPECT_HAS(error_of(with("\"attention_bias\": true")), "attention_bias is true");
  EXPECT_HAS(error_of(with("\"mlp_bias\": true")), "mlp_bias is true");
  EXPECT_HAS(error_of(with("\"rope_scaling\": {\"type\": \"dynamic\", \"factor\": 2.0}")),
             "supported: default, linear, llama3");
  EXPECT_HAS(error_of(with("\"rope_scaling\": {\"type\": \"linear\", \"factor\": 2.0, \"beta_fast\": 2}")),
             "unknown key beta_fast");
  EXPECT_HAS(error_of(replaced(kTiny, "LlamaForCausalLM", "LlamaForTokenClassification")),
             "supported: LlamaForCausalLM, LlamaModel");
}

TEST(LlamaConfig, HarmlessKeysPass) {
  EXPECT_EQ(error_of(with("\"attention_dropout\": 0.0, \"bos_token_id\": 1, \"torch_dtype\": \"float16\", "
                          "\"use_cache\": true, "
                          "\"hidden_act\": \"silu\", \"rope_scaling\": null, \"pretraining_tp\": 1, "
                          "\"max_position_embeddings\": 9")),
            "no error");
}

TEST(LlamaConfig, MissingAndAbsurdNumbers) {
  EXPECT_HAS(error_of(replaced(kTiny, "\"vocab_size\": 16,", "")), "vocab_size");
  EXPECT_HAS(error_of(replaced(kTiny, "\"hidden_size\": 8", "\"hidden_size\": -8")), "hidden_size is -8");
  EXPECT_HAS(error_of(replaced(kTiny, "\"hidden_size\": 8", "\"hidden_size\": 9000000000000")),
             "it must be from 1 to");
  EXPECT_HAS(error_of(replaced(kTiny, "\"hidden_size\": 8", "\"hidden_size\": \"wide\"")), "config.json:1:");
  EXPECT_HAS(error_of(replaced(kTiny, "\"num_key_value_heads\": 2", "\"num_key_value_heads\": 3")),
             "not a multiple");
  EXPECT_HAS(error_of(replaced(kTiny, "\"num_attention_heads\": 4", "\"num_attention_heads\": 6")),
             "or give head_dim");
  EXPECT_HAS(error_of(with("\"head_dim\": 3")), "head_dim 3 is odd");
}

TEST(Families, UnknownModelTypeListsTheKnown) {
  const std::string error =
      error_of(replaced(kTiny, "\"model_type\": \"llama\"", "\"model_type\": \"rwkv\""));
  EXPECT_HAS(error, "model_type rwkv is not supported");
  EXPECT_HAS(error, "supported: llama, mistral, ");
  EXPECT_HAS(error_of("{\"hidden_size\": 8}"), "model_type");
}

TEST(LlamaGraph, NamesRolesAndLayers) {
  const Graph graph =
      graph_of(kTiny, {.phase = Phase::kDecode, .batch = 2, .past_tokens = 5, .kv_capacity = 9});
  ASSERT_TRUE(compiler::verify_graph(graph).ok()) << compiler::verify_graph(graph).error().to_string();
  EXPECT_EQ(graph.phase, "decode");
  ASSERT_NE(find(graph, "layers.1.wq"), nullptr);
  EXPECT_EQ(find(graph, "layers.1.wq")->source, "model.layers.1.self_attn.q_proj.weight");
  EXPECT_EQ(find(graph, "token_ids")->shape, (Shape{{2, 1}}));
  EXPECT_EQ(find(graph, "token_ids")->dtype, DType::kInt32);
  EXPECT_EQ(find(graph, "k_cache.1")->shape, (Shape{{2 * 9, 4}}));
  EXPECT_EQ(find(graph, "k_cache.1")->role, SymbolRole::kKvCache);
  EXPECT_EQ(find(graph, "logits")->role, SymbolRole::kOutput);
  EXPECT_EQ(find(graph, "logits")->dtype, DType::kFp32);
  EXPECT_EQ(find(graph, "layers.0.q")->dtype, DType::kBf16);
  EXPECT_EQ(find(graph, "layer_hidden.2")->role, SymbolRole::kActivation);
  EXPECT_EQ(graph.nodes.front().layer, std::nullopt);
  EXPECT_EQ(first(graph, OpKind::kAttention).layer, 0);
  EXPECT_EQ(graph.nodes.back().layer, std::nullopt);
  EXPECT_EQ(first(graph, OpKind::kRope).integer("past_tokens"), 5);
}

TEST(LlamaGraph, LogitsOfTheLastTokenOrOfAll) {
  GraphRequest request{.phase = Phase::kPrefill, .batch = 2, .query_tokens = 3};
  EXPECT_EQ(find(graph_of(kTiny, request), "logits")->shape, (Shape{{2, 16}}));
  request.all_logits = true;
  EXPECT_EQ(find(graph_of(kTiny, request), "logits")->shape, (Shape{{6, 16}}));
  request.expose_hidden = true;
  EXPECT_EQ(find(graph_of(kTiny, request), "layer_hidden.0")->role, SymbolRole::kOutput);
  request.all_logits = false;
  EXPECT_EQ(find(graph_of(kTiny, request), "last_hidden")->shape, (Shape{{6, 8}}));
  EXPECT_EQ(find(graph_of(kTiny, request), "logits")->shape, (Shape{{2, 16}}));
}

TEST(LlamaGraph, TiedHeadReadsTheTable) {
  const Graph graph =
      graph_of(replaced(kTiny, "\"tie_word_embeddings\": false", "\"tie_word_embeddings\": true"), {});
  EXPECT_EQ(find(graph, "lm_head"), nullptr);
  EXPECT_EQ(graph.value(graph.nodes.back().inputs[1]).source, "model.embed_tokens.weight");
}

TEST(LlamaGraph, RequestsOutOfRange) {
  const auto error = [](const GraphRequest& request) {
    const Result<Graph> graph = model(kTiny)->build(request);
    return graph.ok() ? std::string("no error") : graph.error().to_string();
  };
  EXPECT_HAS(error({.phase = Phase::kEmbed}), "a llama model has no phase embed");
  EXPECT_HAS(error({.batch = 0}), "batch 0");
  EXPECT_HAS(error({.batch = 1 << 20, .past_tokens = 1 << 20}), "batch times tokens");
  EXPECT_HAS(error({.phase = Phase::kPrefill, .query_tokens = 2000000000}), "one run would take");
  EXPECT_HAS(error({.past_tokens = 9, .kv_capacity = 4}), "too small");
  EXPECT_HAS(error({.activations = DType::kInt32}), "activations in int32");
}

TEST(MistralGraph, WindowAndEmbeddingPhase) {
  const std::string mistral =
      replaced(replaced(kTiny, "LlamaForCausalLM", "MistralModel"), "\"llama\"", "\"mistral\"");
  const std::string windowed = replaced(mistral, "\"vocab_size\"", "\"sliding_window\": 4, \"vocab_size\"");
  const Graph graph = graph_of(windowed, {.phase = Phase::kEmbed, .query_tokens = 6});
  EXPECT_EQ(first(graph, OpKind::kAttention).integer("window"), 4);
  EXPECT_EQ(first(graph, OpKind::kAttention).inputs.size(), 3U);
  EXPECT_EQ(find(graph, "embeddings")->shape, (Shape{{1, 8}}));
  EXPECT_EQ(find(graph, "layers.0.wq")->source, "layers.0.self_attn.q_proj.weight");
  const std::string open = replaced(mistral, "\"vocab_size\"", "\"sliding_window\": null, \"vocab_size\"");
  EXPECT_EQ(first(graph_of(open, {.phase = Phase::kEmbed}), OpKind::kAttention).integer("window"), 0);
  EXPECT_FALSE(model(open)->supports(Phase::kDecode));
}

TEST(KnnRouter, OtherDefinitionsAreUnsupported) {
  const std::string knn =
      R"({"model_type": "knn_router", "num_vectors": 10, "embedding_dim": 4, "k": 3, "num_experts": 2,
 "fallback_expert": 1, "entropy_threshold": 0.5})";
  EXPECT_EQ(error_of(knn), "no error");
  EXPECT_EQ(model(knn)->facts().weight_bytes, 80);
  EXPECT_HAS(error_of(replaced(knn, "\"k\": 3", "\"k\": 3, \"metric\": \"euclidean\"")),
             "only cosine is modelled");
  EXPECT_HAS(error_of(replaced(knn, "\"k\": 3", "\"k\": 11")), "k is 11");
  EXPECT_HAS(error_of(replaced(knn, "\"fallback_expert\": 1", "\"fallback_expert\": 2")),
             "fallback_expert is 2");
  const Graph graph = graph_of(knn, {.phase = Phase::kRoute, .query_tokens = 7});
  EXPECT_TRUE(compiler::verify_graph(graph).ok());
  for (const char* const name : {"similarity", "topk", "votes", "entropy", "expert"}) {
    ASSERT_NE(find(graph, name), nullptr) << name;
    EXPECT_EQ(find(graph, name)->role, SymbolRole::kOutput);
    EXPECT_EQ(find(graph, name)->dtype, DType::kFp32);
  }
}

// ------------------------------------------------------------------------------------------------ constants

Result<Tensor> no_file(const std::string& name) {
  return Error{ErrorCode::kNotFound, name, "no file", ""};
}

Tensor rope(const RopeParameters& parameters, int64_t dim, int64_t positions) {
  return std::move(*generate_constant(rope_table_source(parameters, dim, positions), no_file)).value();
}

TEST(RopeTable, CosinesThenSines) {
  const Tensor table = rope({}, 4, 3);
  EXPECT_EQ(table.rows(), 3);
  EXPECT_FLOAT_EQ(table.at(0, 0), 1);
  EXPECT_FLOAT_EQ(table.at(0, 2), 0);
  EXPECT_FLOAT_EQ(table.at(2, 0), std::cos(2.0F));
  EXPECT_FLOAT_EQ(table.at(2, 1), std::cos(0.02F));  // 10000^(-2/4) = 0.01
  EXPECT_FLOAT_EQ(table.at(2, 3), std::sin(0.02F));
}

TEST(RopeTable, LinearScalingSlowsEveryAngle) {
  RopeParameters scaled;
  scaled.scaling.kind = RopeScaling::Kind::kLinear;
  scaled.scaling.factor = 4;
  EXPECT_FLOAT_EQ(rope(scaled, 4, 5).at(4, 0), rope({}, 4, 5).at(1, 0));
}

TEST(RopeTable, Llama3ScalingKeepsHighAndDividesLowFrequencies) {
  RopeParameters scaled;
  scaled.theta = 500000;
  scaled.scaling = {RopeScaling::Kind::kLlama3, 8, 1, 4, 8192};
  RopeParameters plain;
  plain.theta = 500000;
  const Tensor a = rope(scaled, 128, 2);
  const Tensor b = rope(plain, 128, 2);
  EXPECT_EQ(a.at(1, 64), b.at(1, 64));                // wavelength 2 pi: kept
  EXPECT_NEAR(a.at(1, 127), b.at(1, 127) / 8, 1e-9);  // the slowest: divided by 8
  const float blended = std::asin(a.at(1, 64 + 33));  // wavelength 5465, between 2048 and 8192
  const double frequency = std::pow(500000.0, -66.0 / 128);
  const double smooth = (8192 / (2 * M_PI / frequency) - 1) / 3;
  EXPECT_NEAR(blended, (1 - smooth) * frequency / 8 + smooth * frequency, 1e-8);
}

TEST(Constants, BadNamesAreErrors) {
  EXPECT_FALSE(generate_constant("model.norm.weight", no_file).has_value());
  EXPECT_FALSE(generate_constant("rope_table?dim=4", no_file)->ok());
  EXPECT_FALSE(generate_constant("rope_table?dim=4&positions=1e18&theta=2", no_file)->ok());
  EXPECT_FALSE(
      generate_constant("rope_table?dim=4&positions=2&theta=2&scaling=yarn&factor=2", no_file)->ok());
  EXPECT_FALSE(generate_constant("inverse_norms?of=embeddings", no_file)->ok());
}

TEST(Constants, InverseNorms) {
  const auto read = [](const std::string& name) -> Result<Tensor> {
    EXPECT_EQ(name, "embeddings");
    Tensor rows(2, 2);
    rows.values = {3, 4, 0, 0};
    return rows;
  };
  const Tensor norms = std::move(*generate_constant(inverse_norms_source("embeddings"), read)).value();
  EXPECT_EQ(norms.rows(), 1);
  EXPECT_FLOAT_EQ(norms.at(0, 0), 0.2F);
  EXPECT_EQ(norms.at(0, 1), 0);
}

// ------------------------------------------------------------------------------------------------ shipped
// configs

// Parameters, bytes and FLOPs to the last digit for every shipped config of a supported family; an none is
// left out.
TEST(ShippedConfigs, EqualTheExpectedFacts) {
  const std::string root = RDUSIM_SOURCE_DIR;
  if (!std::filesystem::is_directory(root + "/configs/models")) GTEST_SKIP() << "no configs/models";
  const CsvTable table =
      *parse_csv(*read_text_file(root + "/tests/fixtures/expected_models.csv"), "expected_models.csv");
  const auto number = [&](const CsvRow& row, const char* column) {
    return std::stoll(row.cells[*table.column(column)]);
  };
  int supported = 0;
  for (const CsvRow& row : table.rows) {
    const std::string& name = row.cells[*table.column("name")];
    if (!std::filesystem::exists(root + "/configs/models/" + name)) continue;
    const Result<std::unique_ptr<Model>> loaded = load_model(root + "/configs", name);
    ASSERT_TRUE(loaded.ok()) << loaded.error().to_string();
    ++supported;
    const ModelFacts facts = (*loaded)->facts();
    EXPECT_EQ(facts.total_parameters, number(row, "total_params")) << name;
    EXPECT_EQ(facts.weight_bytes, number(row, "weight_bytes_bf16")) << name;
    EXPECT_EQ(facts.kv_bytes_per_token, number(row, "kv_bytes_per_token_bf16")) << name;
    EXPECT_EQ(facts.flops_per_token, number(row, "flops_per_token_decode")) << name;
    EXPECT_EQ(facts.active_parameters, number(row, "active_params")) << name;
    EXPECT_EQ(facts.matmul_flops_per_token, number(row, "matmul_flops_per_token")) << name;
    EXPECT_EQ(facts.state_bytes, number(row, "recurrent_state_bytes_bf16")) << name;
  }
  EXPECT_EQ(supported, 49);
}

TEST(LoadModel, UnknownNameSuggestsTheNearest) {
  const std::string root = RDUSIM_SOURCE_DIR;
  const Result<std::unique_ptr<Model>> loaded = load_model(root + "/configs", "llama-2-7c");
  ASSERT_FALSE(loaded.ok());
  EXPECT_EQ(loaded.error().code, ErrorCode::kNotFound);
  EXPECT_HAS(loaded.error().to_string(), "no such model");
}

TEST(LoadModel, FolderOfAFixture) {
  const Result<std::unique_ptr<Model>> loaded =
      load_model("/nowhere", std::string(RDUSIM_SOURCE_DIR) + "/tests/fixtures/models/mistral-1/");
  ASSERT_TRUE(loaded.ok()) << loaded.error().to_string();
  EXPECT_EQ((*loaded)->family(), "mistral");
}

}  // namespace
}  // namespace rdusim::models
