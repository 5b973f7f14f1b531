// Attention whose operands are no projections: inputs of the graph, as they are or with norms, rotary
// positions and factors on the way, read by two attentions with other heads, and whole beside them. On 1, 2
// and 4 sockets, each of which takes its heads of an input, against the reference interpreter.
#include <gtest/gtest.h>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/random.h"
#include "cli/chip_runner.h"
#include "models/fixture.h"
#include "tests/support/random_weights.h"
#include "tests/support/small_chip.h"

namespace rdusim::cli {
namespace {

using compiler::OpKind;

constexpr int64_t kBatch = 2, kTokens = 9, kRows = kBatch * kTokens;

std::vector<compiler::Attribute> heads_of(int64_t heads, int64_t kv_heads, int64_t head_dim) {
  return {{"capacity", int64_t{0}},  {"causal", int64_t{1}}, {"head_dim", head_dim},
          {"heads", heads},          {"kv_heads", kv_heads}, {"past_tokens", int64_t{0}},
          {"query_tokens", kTokens}, {"scale", 0.4},         {"window", int64_t{0}}};
}

class Drawing {
 public:
  Drawing() : b_(header()) { b_.set_activation_dtype(DType::kFp32); }

  ValueId source(const std::string& name, int64_t rows, int64_t cols, SymbolRole role = SymbolRole::kInput) {
    const DType dtype = role == SymbolRole::kWeight ? DType::kBf16 : DType::kFp32;
    return b_.add_source(name, Shape{{rows, cols}}, dtype, role, name);
  }
  ValueId add(OpKind op, const std::string& name, std::vector<ValueId> inputs,
              std::vector<compiler::Attribute> attributes = {}) {
    auto made = b_.add(op, name, std::move(inputs), std::move(attributes));
    EXPECT_TRUE(made.ok()) << made.error().to_string();
    return made.ok() ? *made : ValueId(0);
  }
  compiler::Graph with_output(ValueId y) && {
    b_.set_role(y, SymbolRole::kOutput);
    return std::move(b_).take();
  }

 private:
  static compiler::Graph header() {
    compiler::Graph graph;
    graph.name = "inputs";
    graph.phase = "prefill";
    graph.batch = kBatch;
    graph.query_tokens = kTokens;
    return graph;
  }
  compiler::GraphBuilder b_;
};

// Four heads for four, nothing else.
compiler::Graph bare() {
  Drawing d;
  const ValueId q = d.source("q", kRows, 32), k = d.source("k", kRows, 32), v = d.source("v", kRows, 32);
  return std::move(d).with_output(d.add(OpKind::kAttention, "y", {q, k, v}, heads_of(4, 4, 8)));
}

// Norms of heads, rotary positions and a factor before the attention; two key/value heads, which four sockets
// share in pairs.
compiler::Graph prepared() {
  Drawing d;
  const ValueId q = d.source("q", kRows, 32), k = d.source("k", kRows, 16), v = d.source("v", kRows, 16);
  const ValueId table = d.source("table", kTokens, 8);
  const std::vector<compiler::Attribute> turn = {
      {"head_dim", int64_t{8}}, {"past_tokens", int64_t{0}}, {"query_tokens", kTokens}};
  const std::vector<compiler::Attribute> norm = {{"eps", 1e-5}, {"head_dim", int64_t{8}}};
  const auto turned = [&](const std::string& name, ValueId x) {
    const ValueId gain = d.source(name + ".gain", 1, 8, SymbolRole::kWeight);
    return d.add(OpKind::kRope, name + ".turned",
                 {d.add(OpKind::kHeadNorm, name + ".norm", {x, gain}, norm), table}, turn);
  };
  const ValueId keys = d.add(OpKind::kRope, "k.turned", {k, table}, turn);
  const ValueId values = d.add(OpKind::kScale, "v.scaled", {v}, {{"scale", 0.7}});
  return std::move(d).with_output(
      d.add(OpKind::kAttention, "y", {turned("q", q), keys, values}, heads_of(4, 2, 8)));
}

// One input is queries, keys and values of four heads of 8 and queries of eight heads of 4 whose keys and
// values are another's single head; and it is added whole.
compiler::Graph shared() {
  Drawing d;
  const ValueId x = d.source("x", kRows, 32), one = d.source("one", kRows, 4);
  const ValueId first = d.add(OpKind::kAttention, "first", {x, x, x}, heads_of(4, 4, 8));
  const ValueId second = d.add(OpKind::kAttention, "second", {x, one, one}, heads_of(8, 1, 4));
  const ValueId sum = d.add(OpKind::kAdd, "sum", {first, second});
  const ValueId gain = d.source("gain", 1, 32, SymbolRole::kWeight);
  const ValueId normed = d.add(OpKind::kRmsNorm, "normed", {x, gain}, {{"eps", 1e-5}});
  return std::move(d).with_output(d.add(OpKind::kAdd, "y", {normed, sum}));
}

struct Form {
  const char* name;
  compiler::Graph (*graph)();
};
constexpr Form kForms[] = {{"bare", bare}, {"prepared", prepared}, {"shared", shared}};

compiler::CompileOptions on(int64_t sockets, compiler::Fusion fusion = compiler::Fusion::kLayer) {
  compiler::CompileOptions options;
  options.sockets = sockets;
  options.fusion = fusion;
  return options;
}

TEST(AttentionInputs, EqualTheInterpreters) {
  for (const Form& form : kForms) {
    Random random(17);
    const compiler::Graph graph = form.graph();
    auto file = SafetensorsFile::from_bytes(rdusim::testing::random_weights(graph, random), "weights");
    ASSERT_TRUE(file.ok()) << file.error().to_string();
    models::TensorMap inputs;
    for (const compiler::Value& v : graph.values) {
      if (v.role != SymbolRole::kInput) continue;
      Tensor& tensor = inputs.emplace(v.name, Tensor(v.shape.rows(), v.shape.cols())).first->second;
      for (float& x : tensor.values) x = static_cast<float>(random.uniform() * 4 - 2);
    }
    models::TensorMap none;
    const auto expected = models::interpreter_executor(*file)(graph, inputs, none);
    ASSERT_TRUE(expected.ok()) << expected.error().to_string();
    for (const int64_t sockets : {1, 2, 4}) {
      for (const auto fusion : {compiler::Fusion::kLayer, compiler::Fusion::kNone}) {
        SCOPED_TRACE(fmt::format("{}, {} sockets, {}", form.name, sockets, compiler::fusion_name(fusion)));
        const NodeSpec node = rdusim::testing::small_node(sockets);
        ChipRunner chip(node, node.stacks[0], on(sockets, fusion), *file);
        const auto got = chip.executor()(graph, inputs, none);
        ASSERT_TRUE(got.ok()) << got.error().to_string();
        const Tensor& y = got->at("y");
        ASSERT_EQ(y.values.size(), expected->at("y").values.size());
        float worst = 0;
        for (size_t i = 0; i < y.values.size(); ++i)
          worst = std::max(worst, std::abs(y.values[i] - expected->at("y").values[i]));
        EXPECT_LT(worst, 2e-5F);
      }
    }
  }
}

// A socket holds its part of an input, not all of it.
TEST(AttentionInputs, AreCutByHeads) {
  const auto program = compiler::compile(bare(), rdusim::testing::small_node(4).chip, on(4));
  ASSERT_TRUE(program.ok()) << program.error().to_string();
  int inputs = 0;
  for (const Symbol& symbol : program->symbols) {
    if (symbol.role != SymbolRole::kInput) continue;
    ++inputs;
    EXPECT_EQ(symbol.full_cols, 32) << symbol.name;
    EXPECT_EQ(symbol.cols, 8) << symbol.name;
  }
  EXPECT_EQ(inputs, 3);
}

TEST(AttentionInputs, HeadsThatDoNotDivideAreAnError) {
  const auto program = compiler::compile(bare(), rdusim::testing::small_node(8).chip, on(8));
  ASSERT_FALSE(program.ok());
  EXPECT_EQ(program.error().what, "4 attention heads do not divide over 8 sockets");
}

// What is whole on every socket before an attention reads it has no cut by heads.
TEST(AttentionInputs, AWholeRowBeforeAnAttentionIsAnError) {
  Drawing d;
  const ValueId x = d.source("x", kRows, 32);
  const ValueId gain = d.source("gain", 1, 32, SymbolRole::kWeight);
  const ValueId normed = d.add(OpKind::kRmsNorm, "normed", {x, gain}, {{"eps", 1e-5}});
  const auto graph =
      std::move(d).with_output(d.add(OpKind::kAttention, "y", {normed, x, x}, heads_of(4, 4, 8)));
  const auto program = compiler::compile(graph, rdusim::testing::small_node(2).chip, on(2));
  ASSERT_FALSE(program.ok());
  EXPECT_EQ(program.error().what, "normed is not cut by heads over the sockets");
}

}  // namespace
}  // namespace rdusim::cli
