// Does a mixture of experts compute what its graph says when whole experts lie on groups of sockets? Random
// mixtures, experts dealt out at random, cut further within a group, fused at random; every value is compared
// with the reference interpreter. FP32 activations: the order of summation is all that differs.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "base/program/program_text.h"
#include "base/random.h"
#include "cli/chip_runner.h"
#include "compiler/graph/graph_text.h"
#include "compiler/graph/interpreter.h"
#include "tests/support/random_weights.h"
#include "tests/support/small_chip.h"

namespace rdusim::cli {
namespace {

using compiler::OpKind;

struct Case {
  int64_t experts, k, width, inner, batch, tokens, sockets, groups, form, normalize;
  compiler::Fusion fusion;
};

Case random_case(Random& random) {
  const auto pick = [&](int64_t low, int64_t high) {
    return low + static_cast<int64_t>(random.below(static_cast<uint64_t>(high - low + 1)));
  };
  Case c{};
  c.experts = pick(1, 4) << pick(0, 2);
  c.k = pick(1, std::min<int64_t>(c.experts, 4));
  c.sockets = int64_t{1} << pick(0, 3);
  std::vector<int64_t> fitting;
  for (int64_t g = 1; g <= c.sockets; g *= 2) {
    if (c.experts % g == 0) fitting.push_back(g);
  }
  c.groups = fitting[random.below(fitting.size())];
  c.width = pick(4, 50);
  c.inner = pick(1, 20) * (c.sockets / c.groups);
  c.batch = pick(1, 3);
  c.tokens = pick(0, 1) == 0 ? 1 : pick(2, 130);
  c.form = pick(0, 2);
  c.normalize = pick(0, 1);
  c.fusion = static_cast<compiler::Fusion>(pick(0, 2));
  return c;
}

// A projection, the mixture of its result, and their sum.
compiler::Graph mixture_graph(const Case& c) {
  compiler::Graph graph;
  graph.name = "mixture";
  graph.phase = "prefill";
  graph.batch = c.batch;
  graph.query_tokens = c.tokens;
  compiler::GraphBuilder b(std::move(graph));
  b.set_activation_dtype(DType::kFp32);
  const auto weight = [&b](const std::string& name, int64_t rows, int64_t cols) {
    return b.add_source(name, Shape{{rows, cols}}, DType::kBf16, SymbolRole::kWeight, name);
  };
  const auto add = [&b](OpKind op, const std::string& name, std::vector<ValueId> inputs,
                        std::vector<compiler::Attribute> attributes = {}) {
    auto id = b.add(op, name, std::move(inputs), std::move(attributes));
    EXPECT_TRUE(id.ok()) << id.error().to_string();
    return *id;
  };
  const ValueId x =
      b.add_source("x", Shape{{c.batch * c.tokens, c.width}}, DType::kFp32, SymbolRole::kInput, "x");
  const ValueId in = add(OpKind::kLinear, "in", {x, weight("w_in", c.width, c.width)});
  const ValueId logits = add(OpKind::kLinear, "router", {in, weight("w_router", c.experts, c.width)});
  const ValueId gate = add(OpKind::kMoeGate, "gate", {logits}, {{"k", c.k}, {"normalize", c.normalize}});
  const ValueId y =
      add(OpKind::kMoeExperts, "experts",
          {in, gate, weight("w_gate", c.experts * c.inner, c.width),
           weight("w_up", c.experts * c.inner, c.width), weight("w_down", c.experts * c.width, c.inner)},
          {{"experts", c.experts}, {"form", c.form}, {"k", c.k}});
  b.set_role(add(OpKind::kAdd, "sum", {in, y}), SymbolRole::kOutput);
  return std::move(b).take();
}

Tensor interpret(const compiler::Graph& graph, const models::WeightSource& weights, const Tensor& x) {
  compiler::Interpreter interpreter(graph, false);
  ValueId output(0);
  for (size_t i = 0; i < graph.values.size(); ++i) {
    const compiler::Value& v = graph.values[i];
    if (v.role == SymbolRole::kOutput) output = ValueId(i);
    if (v.role == SymbolRole::kInput) {
      EXPECT_TRUE(interpreter.set(ValueId(i), x).ok());
    }
    if (v.role != SymbolRole::kWeight) continue;
    auto tensor = weights.read(v.source);
    EXPECT_TRUE(tensor.ok()) << tensor.error().to_string();
    EXPECT_TRUE(interpreter.set(ValueId(i), std::move(*tensor)).ok());
  }
  EXPECT_TRUE(interpreter.run().ok());
  return interpreter.get(output);
}

class MoeValues : public ::testing::TestWithParam<int> {};

TEST_P(MoeValues, OfWholeExpertsEqualTheInterpreters) {
  Random random(static_cast<uint64_t>(GetParam()) * 6007 + 5);
  const Case c = random_case(random);
  SCOPED_TRACE(fmt::format(
      "experts {} k {} width {} inner {} batch {} tokens {} sockets {} groups {} fusion {}", c.experts, c.k,
      c.width, c.inner, c.batch, c.tokens, c.sockets, c.groups, compiler::fusion_name(c.fusion)));
  const compiler::Graph graph = mixture_graph(c);
  auto file = SafetensorsFile::from_bytes(testing::random_weights(graph, random), "weights");
  ASSERT_TRUE(file.ok()) << file.error().to_string();
  Tensor x(c.batch * c.tokens, c.width);
  for (float& v : x.values) v = static_cast<float>(random.uniform() * 4 - 2);

  compiler::CompileOptions options;
  options.sockets = c.sockets;
  options.fusion = c.fusion;
  options.moe_parallel = compiler::MoeParallel::kExpert;
  options.expert_groups = c.groups;
  const NodeSpec node = rdusim::testing::small_node(c.sockets);
  ChipRunner chip(node, node.stacks[0], options, *file);
  models::TensorMap caches;
  auto run = chip.run(graph, {{"x", x}}, caches);
  ASSERT_TRUE(run.ok()) << run.error().to_string();
  const Tensor expected = interpret(graph, models::WeightSource(&*file), x);
  const Tensor& sum = run->outputs.at("sum");
  ASSERT_EQ(sum.values.size(), expected.values.size());
  float worst = 0;
  for (size_t i = 0; i < sum.values.size(); ++i)
    worst = std::max(worst, std::abs(sum.values[i] - expected.values[i]));
  EXPECT_LT(worst, 2e-4F);

  std::string sharded;
  options.after_pass = [&sharded](std::string_view pass, double, const std::function<std::string()>& dump) {
    if (pass == "shard") sharded = dump();
  };
  auto program = compiler::compile(graph, node.chip, options);
  ASSERT_TRUE(program.ok()) << program.error().to_string();
  auto program_back = parse_program(print_program(*program), "program");
  ASSERT_TRUE(program_back.ok()) << program_back.error().to_string();
  EXPECT_EQ(*program_back, *program);
  auto graph_back = compiler::parse_graph(sharded, "graph");
  ASSERT_TRUE(graph_back.ok()) << graph_back.error().to_string();
  EXPECT_EQ(compiler::print_graph(*graph_back), sharded);
}

INSTANTIATE_TEST_SUITE_P(Random, MoeValues, ::testing::Range(0, 60));

}  // namespace
}  // namespace rdusim::cli
