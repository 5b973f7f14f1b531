// Does the compiled program compute what the graph says? Random Llama and Mistral models with random weights
// run a prefill and two decode steps through the simulated chip, cut and fused at random; every logit is
// compared with the reference interpreter. FP32 activations, so that nothing hides in rounding: the summation
// order is all that differs.
#include <gtest/gtest.h>

#include <cmath>

#include <fmt/format.h>

#include "base/program/program_text.h"
#include "base/random.h"
#include "cli/chip_runner.h"
#include "compiler/graph/graph_text.h"
#include "compiler/graph/interpreter.h"
#include "models/model.h"
#include "tests/support/random_weights.h"
#include "tests/support/small_chip.h"

namespace rdusim::cli {
namespace {

struct Case {
  int64_t heads, kv_heads, head_dim, width, mlp, layers, vocabulary, window, prompt, sockets, batch,
      key_block;
  compiler::Fusion fusion;
  bool loop;
};

Case random_case(Random& random) {
  Case c{};
  const auto pick = [&](int64_t low, int64_t high) {
    return low + static_cast<int64_t>(random.below(static_cast<uint64_t>(high - low + 1)));
  };
  c.kv_heads = int64_t{1} << pick(0, 2);
  c.heads = c.kv_heads << pick(0, 2);
  c.head_dim = 4 * pick(1, 4);
  c.width = 2 * pick(8, 40);
  c.mlp = pick(8, 100);
  c.layers = pick(1, 3);
  c.vocabulary = pick(20, 150);
  c.window = pick(0, 1) == 1 ? pick(2, 40) : 0;
  c.prompt = pick(1, 150);
  c.batch = pick(1, 3);
  c.sockets = int64_t{1} << pick(0, 2);
  while (c.heads % c.sockets != 0) c.sockets /= 2;
  c.fusion = static_cast<compiler::Fusion>(pick(0, 2));
  c.loop = pick(0, 1) == 1;
  c.key_block = pick(0, 2) > 0 ? pick(1, 70) : 0;
  return c;
}

std::string config_text(const Case& c) {
  return fmt::format(
      R"({{"architectures": ["MistralForCausalLM"], "model_type": "mistral", "hidden_act": "silu", "hidden_size": {},
"intermediate_size": {}, "num_attention_heads": {}, "num_key_value_heads": {}, "head_dim": {}, "num_hidden_layers": {},
"rms_norm_eps": 1e-5, "rope_theta": 10000.0, "vocab_size": {}, "max_position_embeddings": 512, "sliding_window": {},
"tie_word_embeddings": false, "torch_dtype": "bfloat16"}})",
      c.width, c.mlp, c.heads, c.kv_heads, c.head_dim, c.layers, c.vocabulary,
      c.window > 0 ? fmt::format("{}", c.window) : "null");
}

Result<Tensor> interpret(const compiler::Graph& graph, const models::WeightSource& weights,
                         const models::TensorMap& inputs, compiler::KvStore& kv) {
  compiler::Interpreter interpreter(graph, false, &kv);
  std::optional<ValueId> logits;
  for (size_t i = 0; i < graph.values.size(); ++i) {
    const compiler::Value& v = graph.values[i];
    const ValueId id(i);
    if (v.role == SymbolRole::kOutput) logits = id;
    if (v.role == SymbolRole::kInput) RDU_CHECK_OK(interpreter.set(id, inputs.at(v.source)));
    if (v.role == SymbolRole::kWeight || v.role == SymbolRole::kConstant) {
      RDU_ASSIGN(Tensor tensor, weights.read(v.source));
      RDU_CHECK_OK(interpreter.set(id, std::move(tensor)));
    }
  }
  RDU_CHECK_OK(interpreter.run());
  return interpreter.get(*logits);
}

class ProgramValues : public ::testing::TestWithParam<int> {};

TEST_P(ProgramValues, EqualTheInterpreters) {
  Random random(static_cast<uint64_t>(GetParam()) * 7919 + 1);
  const Case c = random_case(random);
  SCOPED_TRACE(
      fmt::format("heads {} kv {} dim {} width {} mlp {} layers {} vocab {} window {} prompt {} sockets {} "
                  "batch {} fusion {} loop {} key block {}",
                  c.heads, c.kv_heads, c.head_dim, c.width, c.mlp, c.layers, c.vocabulary, c.window, c.prompt,
                  c.sockets, c.batch, compiler::fusion_name(c.fusion), c.loop, c.key_block));
  auto document = read_json_text(config_text(c), "config.json");
  ASSERT_TRUE(document.ok()) << document.error().to_string();
  auto model = models::make_model("random", *document);
  ASSERT_TRUE(model.ok()) << model.error().to_string();

  models::GraphRequest request;
  request.phase = models::Phase::kPrefill;
  request.batch = c.batch;
  request.query_tokens = c.prompt;
  request.kv_capacity = c.prompt + 7;
  request.activations = DType::kFp32;
  request.all_logits = c.batch == 1;
  auto prefill = (*model)->build(request);
  ASSERT_TRUE(prefill.ok()) << prefill.error().to_string();
  auto file = SafetensorsFile::from_bytes(rdusim::testing::random_weights(*prefill, random), "weights");
  ASSERT_TRUE(file.ok()) << file.error().to_string();
  const models::WeightSource weights(&*file);

  const NodeSpec node = rdusim::testing::small_node(c.sockets);
  compiler::CompileOptions options;
  options.sockets = c.sockets;
  options.fusion = c.fusion;
  options.loop = c.loop;
  options.prefetch = GetParam() % 4 > 0;
  options.key_block = c.key_block;
  ChipRunner chip(node, node.stacks[0], options, *file);
  models::TensorMap caches;
  compiler::KvStore kv;
  // Prompt, two tokens, and a chunk of five more after all that is cached.
  for (int64_t step = 0; step < 4; ++step) {
    request.phase = step == 0 || step == 3 ? models::Phase::kPrefill : models::Phase::kDecode;
    request.query_tokens = step == 0 ? c.prompt : step == 3 ? 5 : 1;
    request.past_tokens = step == 0 ? 0 : c.prompt + step - 1;
    auto graph = (*model)->build(request);
    ASSERT_TRUE(graph.ok()) << graph.error().to_string();
    Tensor ids(c.batch * request.query_tokens, 1);
    for (float& id : ids.values) id = static_cast<float>(random.below(static_cast<uint64_t>(c.vocabulary)));
    const models::TensorMap inputs{{"token_ids", ids}};
    auto expected = interpret(*graph, weights, inputs, kv);
    ASSERT_TRUE(expected.ok()) << expected.error().to_string();
    auto run = chip.run(*graph, inputs, caches);
    ASSERT_TRUE(run.ok()) << run.error().to_string();
    auto graph_back = compiler::parse_graph(compiler::print_graph(*graph), "graph");
    ASSERT_TRUE(graph_back.ok()) << graph_back.error().to_string();
    EXPECT_EQ(*graph_back, *graph);
    auto program = compiler::compile(*graph, node.chip, options);
    ASSERT_TRUE(program.ok()) << program.error().to_string();
    auto program_back = parse_program(print_program(*program), "program");
    ASSERT_TRUE(program_back.ok()) << program_back.error().to_string();
    EXPECT_EQ(*program_back, *program);
    const Tensor& logits = run->outputs.at("logits");
    ASSERT_EQ(logits.values.size(), expected->values.size());
    float worst = 0;
    for (size_t i = 0; i < logits.values.size(); ++i)
      worst = std::max(worst, std::abs(logits.values[i] - expected->values[i]));
    EXPECT_LT(worst, 2e-4F) << "step " << step;
  }
}

INSTANTIATE_TEST_SUITE_P(Random, ProgramValues, ::testing::Range(0, 60));

}  // namespace
}  // namespace rdusim::cli
