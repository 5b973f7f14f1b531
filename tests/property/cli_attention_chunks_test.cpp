// One attention after cached positions, whatever it is made of: several sequences, a window and its ring, a
// bias by distance, a cap, grouped heads, blocks of keys, one new token or many; over products, or over
// inputs of the graph, of which each socket takes its heads. Random shapes through the chip against the
// reference interpreter: results and what the caches hold afterwards. The first pass fills the caches; the
// later ones stand on them.
#include <gtest/gtest.h>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "base/random.h"
#include "cli/chip_runner.h"
#include "compiler/graph/graph_text.h"
#include "models/derived.h"
#include "models/fixture.h"
#include "tests/support/random_weights.h"
#include "tests/support/small_chip.h"

namespace rdusim::cli {
namespace {

constexpr int64_t kWidth = 24;

struct Case {
  int64_t batch, kv_heads, group, head_dim, window, key_block, sockets, capacity;
  bool biased, bare;
  double cap;
  DType dtype;
  compiler::Fusion fusion;
};

int64_t pick(Random& random, int64_t low, int64_t high) {
  return low + static_cast<int64_t>(random.below(static_cast<uint64_t>(high - low + 1)));
}

Case random_case(Random& random, int number) {
  Case c{};
  c.batch = pick(random, 1, 4);
  c.sockets = number % 2 == 0 ? 1 : pick(random, 0, 1) == 0 ? 2 : 4;
  // Sometimes two sockets share a key/value head.
  const bool shared = c.sockets > 1 && pick(random, 0, 2) == 0;
  c.kv_heads = shared ? c.sockets / 2 : c.sockets * pick(random, 1, 2);
  c.group = shared ? 2 * pick(random, 1, 2) : pick(random, 1, 3);
  c.head_dim = 4 * pick(random, 1, 4);
  c.window = number / 2 % 2 == 1 ? pick(random, 2, 50) : 0;
  c.biased = number / 4 % 2 == 1;
  c.key_block = pick(random, 0, 1) == 1 ? pick(random, 4, 60) : 0;
  c.cap = pick(random, 0, 3) == 0 ? 3.0 : 0;
  c.dtype = number / 8 % 2 == 1 ? DType::kBf16 : DType::kFp32;
  c.fusion = static_cast<compiler::Fusion>(pick(random, 0, 2));
  c.bare = number / 16 % 2 == 1;
  return c;
}

// q, k and v as products of an input or as inputs, the caches, and the bias as a constant.
Result<compiler::Graph> attention_graph(const Case& c, int64_t past, int64_t query) {
  compiler::Graph header;
  header.name = "attention";
  header.phase = query == 1 ? "decode" : "prefill";
  header.batch = c.batch;
  header.query_tokens = query;
  header.past_tokens = past;
  compiler::GraphBuilder b(header);
  b.set_activation_dtype(c.dtype);
  const int64_t heads = c.kv_heads * c.group;
  const int64_t kv_cols = c.kv_heads * c.head_dim;
  const auto input = [&](const char* name, int64_t cols) {
    return b.add_source(name, Shape{{c.batch * query, cols}}, c.dtype, SymbolRole::kInput, name);
  };
  const std::optional<ValueId> x = c.bare ? std::nullopt : std::optional(input("x", kWidth));
  std::vector<ValueId> operands;
  for (const auto& [name, cols] : {std::pair{"q", heads * c.head_dim}, {"k", kv_cols}, {"v", kv_cols}}) {
    if (c.bare) {
      operands.push_back(input(name, cols));
      continue;
    }
    const std::string weight = std::string("w") + name;
    const ValueId w = b.add_source(weight, Shape{{cols, kWidth}}, DType::kBf16, SymbolRole::kWeight, weight);
    RDU_ASSIGN(const ValueId product, b.add(compiler::OpKind::kLinear, name, {*x, w}));
    operands.push_back(product);
  }
  for (const char* name : {"k_cache", "v_cache"}) {
    operands.push_back(
        b.add_source(name, Shape{{c.batch * c.capacity, kv_cols}}, c.dtype, SymbolRole::kKvCache, name));
  }
  if (c.biased) {
    operands.push_back(b.add_source("bias", Shape{{heads, past + query}}, DType::kFp32, SymbolRole::kConstant,
                                    models::alibi_source(heads, past + query)));
  }
  RDU_ASSIGN(const ValueId y, b.add(compiler::OpKind::kAttention, "y", operands,
                                    {{"cap", c.cap},
                                     {"capacity", c.capacity},
                                     {"causal", int64_t{1}},
                                     {"head_dim", c.head_dim},
                                     {"heads", heads},
                                     {"kv_heads", c.kv_heads},
                                     {"past_tokens", past},
                                     {"query_tokens", query},
                                     {"scale", 0.5},
                                     {"window", c.window}}));
  b.set_role(y, SymbolRole::kOutput);
  return std::move(b).take();
}

Tensor random_tensor(Random& random, int64_t rows, int64_t cols, DType dtype) {
  Tensor t(rows, cols);
  for (float& x : t.values) {
    x = static_cast<float>(random.uniform() * 4 - 2);
    if (dtype == DType::kBf16) x = round_to_bf16(x);
  }
  return t;
}

models::TensorMap random_inputs(Random& random, const compiler::Graph& graph) {
  models::TensorMap inputs;
  for (const compiler::Value& v : graph.values) {
    if (v.role == SymbolRole::kInput)
      inputs[v.name] = random_tensor(random, v.shape.rows(), v.shape.cols(), v.dtype);
  }
  return inputs;
}

float worst_difference(const Tensor& a, const Tensor& b) {
  if (a.values.size() != b.values.size()) return INFINITY;
  float worst = 0;
  for (size_t i = 0; i < a.values.size(); ++i) worst = std::max(worst, std::abs(a.values[i] - b.values[i]));
  return worst;
}

class AttentionChunks : public ::testing::TestWithParam<int> {};

TEST_P(AttentionChunks, EqualTheInterpreters) {
  Random random(static_cast<uint64_t>(GetParam()) * 6007 + 11);
  Case c = random_case(random, GetParam());
  // A first pass, then chunks and single tokens in turn.
  const std::vector<int64_t> lengths = {pick(random, 1, 70), pick(random, 2, 90), 1, pick(random, 2, 40)};
  int64_t all = 0;
  for (const int64_t length : lengths) all += length;
  c.capacity = c.window > 0 ? c.window : all + pick(random, 0, 5);
  SCOPED_TRACE(
      fmt::format("batch {} kv {} group {} dim {} window {} bias {} block {} cap {} sockets {} {} {} bare {}",
                  c.batch, c.kv_heads, c.group, c.head_dim, c.window, c.biased, c.key_block, c.cap, c.sockets,
                  dtype_name(c.dtype), compiler::fusion_name(c.fusion), c.bare));
  const auto first = attention_graph(c, 0, 1);
  ASSERT_TRUE(first.ok()) << first.error().to_string();
  auto file = SafetensorsFile::from_bytes(rdusim::testing::random_weights(*first, random), "weights");
  ASSERT_TRUE(file.ok()) << file.error().to_string();
  compiler::CompileOptions options;
  options.sockets = c.sockets;
  options.fusion = c.fusion;
  options.key_block = c.key_block;
  const NodeSpec node = rdusim::testing::small_node(c.sockets);
  ChipRunner chip(node, node.stacks[0], options, *file);
  const auto on_chip = chip.executor();
  const auto reference = models::interpreter_executor(*file);
  models::TensorMap chip_caches;
  models::TensorMap caches;
  int64_t past = 0;
  for (const int64_t query : lengths) {
    SCOPED_TRACE(fmt::format("{} tokens after {}", query, past));
    auto graph = attention_graph(c, past, query);
    ASSERT_TRUE(graph.ok()) << graph.error().to_string();
    const models::TensorMap inputs = random_inputs(random, *graph);
    auto expected = reference(*graph, inputs, caches);
    ASSERT_TRUE(expected.ok()) << expected.error().to_string();
    auto got = on_chip(*graph, inputs, chip_caches);
    ASSERT_TRUE(got.ok()) << got.error().to_string();
    // BF16: of results below 2, a rounding of the probabilities and one of the result may fall otherwise.
    const float most = c.dtype == DType::kFp32 ? 2e-5F : 0.032F;
    EXPECT_LT(worst_difference(got->at("y"), expected->at("y")), most);
    for (const auto& [name, cache] : caches)
      EXPECT_EQ(worst_difference(chip_caches.at(name), cache), 0) << name;
    past += query;
  }
}

INSTANTIATE_TEST_SUITE_P(Random, AttentionChunks, ::testing::Range(0, 64));

}  // namespace
}  // namespace rdusim::cli
