// Are a pipeline's values those of the whole? Random Mistral- and Gemma-like models, cut into a random number
// of stages of random sockets: prefill and decode through the interpreter stage by stage, and through the
// simulated chips stage by stage, each to the bit what the uncut graph gives on the same; and a prompt in
// chunks what it gives whole.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "base/random.h"
#include "cli/pipeline/cut.h"
#include "cli/pipeline/runner.h"
#include "compiler/graph/graph_text.h"
#include "compiler/pipeline/stages.h"
#include "models/model.h"
#include "tests/support/random_weights.h"
#include "tests/support/small_chip.h"

namespace rdusim::cli {
namespace {

struct Case {
  bool gemma = false;
  int64_t heads = 0, kv_heads = 0, head_dim = 0, width = 0, mlp = 0, layers = 0, vocabulary = 0, window = 0;
  int64_t prompt = 0, stages = 0, stage_sockets = 0;
  DType activations = DType::kFp32;
  compiler::Fusion fusion = compiler::Fusion::kLayer;
};

Case random_case(Random& random) {
  const auto pick = [&](int64_t low, int64_t high) {
    return low + static_cast<int64_t>(random.below(static_cast<uint64_t>(high - low + 1)));
  };
  Case c;
  c.gemma = pick(0, 1) == 1;
  c.kv_heads = int64_t{1} << pick(0, 1);
  c.heads = c.kv_heads << pick(0, 1);
  c.head_dim = 4 * pick(1, 3);
  c.width = 2 * pick(8, 24);
  c.mlp = pick(8, 60);
  c.layers = pick(1, 5);
  c.vocabulary = pick(20, 80);
  c.window = pick(0, 1) == 1 || c.gemma ? pick(2, 30) : 0;
  c.prompt = pick(2, 60);
  c.stages = pick(1, c.layers);
  c.stage_sockets = c.heads % 2 == 0 ? pick(1, 2) : 1;
  c.activations = pick(0, 1) == 1 ? DType::kFp32 : DType::kBf16;
  c.fusion = pick(0, 1) == 1 ? compiler::Fusion::kLayer : compiler::Fusion::kNone;
  return c;
}

std::string config_text(const Case& c) {
  const std::string sizes = fmt::format(
      R"("hidden_size": {}, "intermediate_size": {}, "num_attention_heads": {}, "num_key_value_heads": {}, "head_dim": {},
"num_hidden_layers": {}, "vocab_size": {}, "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "max_position_embeddings": 512,
"torch_dtype": "bfloat16", "sliding_window": {})",
      c.width, c.mlp, c.heads, c.kv_heads, c.head_dim, c.layers, c.vocabulary,
      c.window > 0 ? fmt::to_string(c.window) : "null");
  if (!c.gemma) {
    return R"({"architectures": ["MistralForCausalLM"], "model_type": "mistral", "hidden_act": "silu",
"tie_word_embeddings": false, )" +
           sizes + "}";
  }
  return R"({"architectures": ["Gemma2ForCausalLM"], "model_type": "gemma2", "hidden_act": "gelu_pytorch_tanh",
"hidden_activation": "gelu_pytorch_tanh", "attention_bias": false, "attn_logit_softcapping": 50.0,
"final_logit_softcapping": 30.0, "query_pre_attn_scalar": 16, "tie_word_embeddings": true, )" +
         sizes + "}";
}

class PipelineValues : public ::testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    Random random(static_cast<uint64_t>(GetParam()) * 7877 + 3);
    c_ = random_case(random);
    auto document = read_json_text(config_text(c_), "config.json");
    ASSERT_TRUE(document.ok()) << document.error().to_string();
    auto model = models::make_model("random", *document);
    ASSERT_TRUE(model.ok()) << model.error().to_string();
    model_ = std::move(*model);
    request_.phase = models::Phase::kPrefill;
    request_.query_tokens = c_.prompt;
    request_.kv_capacity = c_.prompt + 3;
    request_.activations = c_.activations;
    const auto graph = model_->build(request_);
    ASSERT_TRUE(graph.ok()) << graph.error().to_string();
    auto file = SafetensorsFile::from_bytes(rdusim::testing::random_weights(*graph, random), "weights");
    ASSERT_TRUE(file.ok()) << file.error().to_string();
    file_ = std::move(*file);
    for (int64_t i = 0; i < c_.prompt + 3; ++i)
      ids_.push_back(static_cast<float>(random.below(static_cast<uint64_t>(c_.vocabulary))));
    node_ = rdusim::testing::small_node(c_.stages * c_.stage_sockets);
    options_.sockets = c_.stage_sockets;
    options_.fusion = c_.fusion;
  }

  [[nodiscard]] std::string trace() const {
    return fmt::format(
        "gemma {} heads {} kv {} dim {} width {} mlp {} layers {} vocab {} window {} prompt {} stages {} "
        "sockets {} {} fusion {}",
        c_.gemma, c_.heads, c_.kv_heads, c_.head_dim, c_.width, c_.mlp, c_.layers, c_.vocabulary, c_.window,
        c_.prompt, c_.stages, c_.stage_sockets, dtype_name(c_.activations), compiler::fusion_name(c_.fusion));
  }

  // Step 0: the prompt; then a token each.
  compiler::Graph graph_of(int64_t step) {
    models::GraphRequest request = request_;
    if (step > 0) {
      request.phase = models::Phase::kDecode;
      request.query_tokens = 1;
      request.past_tokens = c_.prompt + step - 1;
    }
    auto graph = model_->build(request);
    EXPECT_TRUE(graph.ok()) << graph.error().to_string();
    return std::move(*graph);
  }
  [[nodiscard]] models::TensorMap tokens(int64_t first, int64_t count) const {
    Tensor ids(count, 1);
    std::copy_n(ids_.begin() + first, count, ids.values.begin());
    return {{"token_ids", ids}};
  }

  Case c_;
  std::unique_ptr<models::Model> model_;
  models::GraphRequest request_;
  std::optional<SafetensorsFile> file_;
  std::vector<float> ids_;
  NodeSpec node_;
  compiler::CompileOptions options_;
};

// Stages one after the other on an executor, what crosses handed on by name.
Result<Tensor> logits_by_stages(const compiler::StagedGraph& staged, const models::GraphExecutor& execute,
                                models::TensorMap there, models::TensorMap& caches) {
  for (const compiler::Stage& stage : staged.stages) {
    RDU_ASSIGN(const auto outputs, execute(stage.graph, there, caches));
    for (const auto& [name, tensor] : outputs) there[name] = tensor;
  }
  return there.at("logits");
}

TEST_P(PipelineValues, EqualTheWholeGraphsToTheBit) {
  SCOPED_TRACE(trace());
  const models::WeightSource weights(&*file_);
  const auto interpret = models::interpreter_executor(weights);
  ChipRunner whole(node_, node_.stacks[0], options_, weights);
  PipelineRunner pipeline(node_, node_.stacks[0], c_.stages, options_, weights);
  models::TensorMap kv, kv_stages, caches, caches_stages;
  for (int64_t step = 0; step < 3; ++step) {
    const compiler::Graph graph = graph_of(step);
    const auto inputs = step == 0 ? tokens(0, c_.prompt) : tokens(c_.prompt + step - 1, 1);
    const auto staged = cut_for(graph, node_, c_.stages, options_);
    ASSERT_TRUE(staged.ok()) << staged.error().to_string();
    ASSERT_EQ(staged->stages.size(), static_cast<size_t>(c_.stages));
    for (const compiler::Stage& stage : staged->stages) {
      const auto back = compiler::parse_graph(compiler::print_graph(stage.graph), "stage");
      ASSERT_TRUE(back.ok()) << back.error().to_string();
      EXPECT_EQ(*back, stage.graph);
    }
    const auto expected = interpret(graph, inputs, kv);
    ASSERT_TRUE(expected.ok()) << expected.error().to_string();
    const auto by_stages = logits_by_stages(*staged, interpret, inputs, kv_stages);
    ASSERT_TRUE(by_stages.ok()) << by_stages.error().to_string();
    EXPECT_EQ(by_stages->values, expected->at("logits").values);
    const auto uncut = whole.run(graph, inputs, caches);
    ASSERT_TRUE(uncut.ok()) << uncut.error().to_string();
    const auto piped = pipeline.run(graph, inputs, caches_stages);
    ASSERT_TRUE(piped.ok()) << piped.error().to_string();
    EXPECT_EQ(piped->at("logits").values, uncut->outputs.at("logits").values);
    EXPECT_EQ(caches_stages.size(), caches.size());
    for (const auto& [name, cache] : caches) EXPECT_EQ(caches_stages.at(name).values, cache.values) << name;
  }
}

TEST_P(PipelineValues, APromptInChunksGivesWhatItGivesWhole) {
  SCOPED_TRACE(trace());
  const models::WeightSource weights(&*file_);
  const auto interpret = models::interpreter_executor(weights);
  PipelineRunner pipeline(node_, node_.stacks[0], c_.stages, options_, weights);
  const auto batches = micro_batches_of(request_, std::min<int64_t>(3, c_.prompt));
  ASSERT_TRUE(batches.ok()) << batches.error().to_string();
  EXPECT_TRUE(batches->of_tokens);
  models::TensorMap kv, caches, last;
  const auto expected = interpret(graph_of(0), tokens(0, c_.prompt), kv);
  ASSERT_TRUE(expected.ok()) << expected.error().to_string();
  for (size_t i = 0; i < batches->requests.size(); ++i) {
    const models::GraphRequest& chunk = batches->requests[i];
    auto graph = model_->build(chunk);
    ASSERT_TRUE(graph.ok()) << graph.error().to_string();
    const bool more = i + 1 < batches->requests.size();
    auto run = pipeline.run(more ? compiler::without_head(*graph) : *graph,
                            tokens(chunk.past_tokens, chunk.query_tokens), caches);
    ASSERT_TRUE(run.ok()) << run.error().to_string();
    EXPECT_EQ(run->contains("logits"), !more);
    last = std::move(*run);
  }
  const Tensor& logits = last.at("logits");
  const Tensor& wanted = expected->at("logits");
  ASSERT_EQ(logits.values.size(), wanted.values.size());
  // FP32 differs by the order of sums only; BF16 rounds each operator's result.
  const float tolerance = c_.activations == DType::kFp32 ? 2e-4F : 0.2F;
  for (size_t i = 0; i < logits.values.size(); ++i)
    EXPECT_NEAR(logits.values[i], wanted.values[i], tolerance) << i;
}

INSTANTIATE_TEST_SUITE_P(Random, PipelineValues, ::testing::Range(0, 24));

TEST(MicroBatches, SequencesWhereTheBatchDividesElseChunks) {
  models::GraphRequest request;
  request.phase = models::Phase::kPrefill;
  request.batch = 6;
  request.query_tokens = 10;
  const auto sequences = micro_batches_of(request, 3);
  ASSERT_TRUE(sequences.ok());
  EXPECT_FALSE(sequences->of_tokens);
  EXPECT_EQ(sequences->requests.size(), 1U);
  EXPECT_EQ(sequences->requests.front().batch, 2);
  request.batch = 1;
  const auto chunks = micro_batches_of(request, 4);
  ASSERT_TRUE(chunks.ok());
  EXPECT_TRUE(chunks->of_tokens);
  int64_t past = 0;
  for (const auto& chunk : chunks->requests) {
    EXPECT_EQ(chunk.past_tokens, past);
    EXPECT_EQ(chunk.kv_capacity, 10);
    past += chunk.query_tokens;
  }
  EXPECT_EQ(past, 10);
  request.phase = models::Phase::kDecode;
  const auto neither = micro_batches_of(request, 4);
  ASSERT_FALSE(neither.ok());
  EXPECT_NE(neither.error().to_string().find("a batch of 1 does not divide"), std::string::npos);
}

}  // namespace
}  // namespace rdusim::cli
