// absorb: what goes into another operator, what stays, and that values do.
#include <gtest/gtest.h>

#include <algorithm>

#include "base/random.h"
#include "compiler/graph/interpreter.h"
#include "compiler/graph/verify.h"
#include "compiler/passes/pass.h"

namespace rdusim::compiler {
namespace {

constexpr int64_t kRows = 6, kWidth = 8;

ValueId input(GraphBuilder& b, const char* name, int64_t rows = kRows, SymbolRole role = SymbolRole::kInput) {
  return b.add_source(name, Shape{{rows, kWidth}}, DType::kFp32, role, name);
}

ValueId attention(GraphBuilder& b, std::vector<ValueId> inputs, int64_t capacity = 0) {
  return b
      .add(OpKind::kAttention, "mixed", std::move(inputs),
           {{"capacity", capacity},
            {"causal", int64_t{1}},
            {"head_dim", int64_t{4}},
            {"heads", int64_t{2}},
            {"kv_heads", int64_t{2}},
            {"past_tokens", int64_t{0}},
            {"query_tokens", kRows},
            {"scale", 0.5},
            {"window", int64_t{0}}})
      .value();
}

ValueId scaled(GraphBuilder& b, const char* name, ValueId x, double by) {
  return b.add(OpKind::kScale, name, {x}, {{"scale", by}}).value();
}

// After absorb and simplify.
Graph absorbed(const Graph& graph) {
  Compilation c;
  c.graph = graph;
  EXPECT_TRUE(absorb(c).ok());
  EXPECT_TRUE(simplify(c).ok());
  const Status sound = verify_graph(c.graph);
  EXPECT_TRUE(sound.ok()) << sound.error().to_string();
  return c.graph;
}

// The graph's one output, its sources random by name.
Tensor result_of(const Graph& graph) {
  Interpreter interpreter(graph, false);
  ValueId output;
  for (size_t i = 0; i < graph.values.size(); ++i) {
    const Value& value = graph.values[i];
    if (value.role == SymbolRole::kOutput) output = ValueId(i);
    if (value.producer || value.role == SymbolRole::kKvCache) continue;
    Random random(static_cast<uint64_t>(value.name.front()));
    Tensor tensor(value.shape.rows(), value.shape.cols());
    for (float& x : tensor.values) x = static_cast<float>(random.uniform() - 0.5);
    EXPECT_TRUE(interpreter.set(ValueId(i), std::move(tensor)).ok());
  }
  EXPECT_TRUE(interpreter.run().ok());
  return interpreter.get(output);
}

void expect_same_values(const Graph& a, const Graph& b) {
  const Tensor ta = result_of(a);
  const Tensor tb = result_of(b);
  ASSERT_EQ(ta.values.size(), tb.values.size());
  for (size_t i = 0; i < ta.values.size(); ++i) EXPECT_NEAR(ta.values[i], tb.values[i], 1e-6);
}

TEST(Absorb, FactorsOfQueriesAndKeysJoinThatOfTheScores) {
  GraphBuilder b(Graph{});
  const ValueId q = scaled(b, "q2", input(b, "q"), 3);
  const ValueId k = scaled(b, "k2", input(b, "k"), 0.25);
  b.set_role(attention(b, {q, k, input(b, "v")}), SymbolRole::kOutput);
  const Graph graph = absorbed(b.graph());
  ASSERT_EQ(graph.nodes.size(), 1U);
  EXPECT_DOUBLE_EQ(graph.nodes[0].real("scale"), 0.5 * 3 * 0.25);
  expect_same_values(b.graph(), graph);
}

TEST(Absorb, KeysThatACacheKeepsStayScaled) {
  GraphBuilder b(Graph{});
  const ValueId k = scaled(b, "k2", input(b, "k"), 0.25);
  const ValueId kc = input(b, "kc", kRows, SymbolRole::kKvCache);
  const ValueId vc = input(b, "vc", kRows, SymbolRole::kKvCache);
  b.set_role(attention(b, {input(b, "q"), k, input(b, "v"), kc, vc}, kRows), SymbolRole::kOutput);
  EXPECT_EQ(absorbed(b.graph()).nodes.size(), 2U);
}

TEST(Absorb, ARowAddedToAProductIsItsBias) {
  GraphBuilder b(Graph{});
  const ValueId w = input(b, "w", kWidth, SymbolRole::kWeight);
  const ValueId y = b.add(OpKind::kLinear, "y", {input(b, "x"), w}).value();
  const ValueId row = input(b, "row", 1, SymbolRole::kWeight);
  b.set_role(b.add(OpKind::kAdd, "z", {y, row}).value(), SymbolRole::kOutput);
  const Graph graph = absorbed(b.graph());
  ASSERT_EQ(graph.nodes.size(), 1U);
  EXPECT_EQ(graph.nodes[0].op, OpKind::kLinear);
  EXPECT_EQ(graph.nodes[0].inputs.size(), 3U);
  expect_same_values(b.graph(), graph);
}

TEST(Absorb, WhatOthersReadStays) {
  GraphBuilder b(Graph{});
  const ValueId w = input(b, "w", kWidth, SymbolRole::kWeight);
  const ValueId y = b.add(OpKind::kLinear, "y", {input(b, "x"), w}).value();
  const ValueId z = b.add(OpKind::kAdd, "z", {y, input(b, "row", 1, SymbolRole::kWeight)}).value();
  b.set_role(b.add(OpKind::kMul, "both", {y, z}).value(), SymbolRole::kOutput);
  EXPECT_EQ(absorbed(b.graph()).nodes.size(), 3U);
}

}  // namespace
}  // namespace rdusim::compiler
