// Cutting graphs into pipeline stages: what crosses, who holds what, how even it is, what cannot be cut; and
// text there and back.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "base/random.h"
#include "compiler/graph/graph_text.h"
#include "compiler/graph/verify.h"
#include "compiler/pipeline/stages.h"
#include "tests/support/decoder_graph.h"

namespace rdusim::compiler {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Graph decoder(int64_t layers, int64_t query = 1) {
  testing::DecoderSpec spec;
  spec.layers = layers;
  spec.query = query;
  return testing::DecoderGraph(spec).build();
}

StagedGraph cut(const Graph& graph, const std::vector<size_t>& starts) {
  const auto spans = layer_spans(graph);
  EXPECT_TRUE(spans.ok()) << spans.error().to_string();
  auto staged = cut_graph(graph, *spans, starts);
  EXPECT_TRUE(staged.ok()) << staged.error().to_string();
  return std::move(*staged);
}

std::vector<std::string> names_of(const Graph& graph, SymbolRole role) {
  std::vector<std::string> names;
  for (const Value& value : graph.values) {
    if (value.role == role) names.push_back(value.name);
  }
  return names;
}

TEST(PipelineStages, EmbeddingGoesWithTheFirstLayerAndTheHeadWithTheLast) {
  const Graph graph = decoder(4);
  const auto spans = layer_spans(graph);
  ASSERT_TRUE(spans.ok());
  ASSERT_EQ(spans->size(), 4U);
  EXPECT_EQ(spans->front().begin, 0U);
  EXPECT_EQ(spans->back().end, graph.nodes.size());
  for (size_t i = 0; i + 1 < 4; ++i) EXPECT_EQ((*spans)[i].end, (*spans)[i + 1].begin);
}

TEST(PipelineStages, StagesPartitionNodesWeightsAndCaches) {
  const Graph graph = decoder(5);
  const StagedGraph staged = cut(graph, {0, 2, 3});
  size_t nodes = 0;
  size_t weights = 0;
  size_t caches = 0;
  for (const Stage& stage : staged.stages) {
    EXPECT_TRUE(verify_graph(stage.graph).ok());
    nodes += stage.graph.nodes.size();
    weights += names_of(stage.graph, SymbolRole::kWeight).size();
    caches += names_of(stage.graph, SymbolRole::kKvCache).size();
  }
  EXPECT_EQ(nodes, graph.nodes.size());
  EXPECT_EQ(weights, names_of(graph, SymbolRole::kWeight).size());
  EXPECT_EQ(caches, names_of(graph, SymbolRole::kKvCache).size());
  EXPECT_EQ(staged.stages[1].first_layer, 2);
  EXPECT_EQ(staged.stages[1].last_layer, 2);
  EXPECT_EQ(staged.stages[1].graph.name, "toy.stage1of3");
  // One value crosses: an output of one stage, an input of the next.
  ASSERT_EQ(staged.borders[0].values.size(), 1U);
  EXPECT_EQ(staged.borders[0].bytes, 64 * 2);
  EXPECT_EQ(names_of(staged.stages[0].graph, SymbolRole::kOutput), staged.borders[0].values);
  EXPECT_EQ(names_of(staged.stages[1].graph, SymbolRole::kInput), staged.borders[0].values);
}

// Layer 0's result is read again by layer 2's addition, as a skip connection would.
Graph with_skip() {
  GraphBuilder builder(Graph{});
  const ValueId x = builder.add_source("x", {{2, 8}}, DType::kBf16, SymbolRole::kInput, "x");
  ValueId y = x;
  ValueId skip = x;
  for (int64_t i = 0; i < 3; ++i) {
    builder.set_layer(i);
    if (i == 2) y = *builder.add(OpKind::kAdd, "joined", {y, skip});
    y = *builder.add(OpKind::kScale, "scaled" + std::to_string(i), {y}, {{"scale", 0.5}});
    if (i == 0) skip = y;
    if (i == 1) y = *builder.add(OpKind::kScale, "again", {y}, {{"scale", 2.0}});
  }
  builder.set_role(y, SymbolRole::kOutput);
  return std::move(builder).take();
}

TEST(PipelineStages, WhatSkipsAStagePassesThroughIt) {
  const StagedGraph staged = cut(with_skip(), {0, 1, 2});
  EXPECT_THAT(staged.borders[0].values, ElementsAre("scaled0"));
  EXPECT_THAT(staged.borders[1].values, ElementsAre("scaled0", "again"));
  EXPECT_EQ(staged.borders[1].bytes, 2 * 2 * 8 * 2);
  EXPECT_THAT(names_of(staged.stages[1].graph, SymbolRole::kOutput), ElementsAre("again"));
  EXPECT_THAT(names_of(staged.stages[2].graph, SymbolRole::kInput), ElementsAre("scaled0", "again"));
}

TEST(PipelineStages, TextThereAndBack) {
  for (const int64_t query : {int64_t{1}, int64_t{9}}) {
    const StagedGraph staged = cut(decoder(4, query), {0, 1, 3});
    for (const Stage& stage : staged.stages) {
      const std::string text = print_graph(stage.graph);
      const auto back = parse_graph(text, "stage");
      ASSERT_TRUE(back.ok()) << back.error().to_string();
      EXPECT_EQ(*back, stage.graph);
      EXPECT_EQ(print_graph(*back), text);
    }
  }
}

TEST(PipelineStages, WithoutAHeadTheLastLayersResultIsTheOutput) {
  const Graph graph = decoder(3, 9);
  const Graph headless = without_head(graph);
  EXPECT_TRUE(verify_graph(headless).ok());
  EXPECT_EQ(layer_spans(headless)->size(), 3U);
  EXPECT_EQ(names_of(headless, SymbolRole::kKvCache), names_of(graph, SymbolRole::kKvCache));
  ASSERT_EQ(names_of(headless, SymbolRole::kOutput).size(), 1U);
  EXPECT_NE(names_of(headless, SymbolRole::kOutput).front(), "logits");
}

TEST(PipelineStages, ACacheOfTwoStagesIsAnError) {
  Graph graph = decoder(2);
  const auto spans = layer_spans(graph);
  std::optional<ValueId> cache;
  for (Node& node : graph.nodes) {
    if (node.op != OpKind::kAttention) continue;
    if (cache) node.inputs[3] = *cache;
    cache = node.inputs[3];
  }
  const std::vector<size_t> starts = {0, 1};
  const auto staged = cut_graph(graph, *spans, starts);
  ASSERT_FALSE(staged.ok());
  EXPECT_THAT(staged.error().to_string(), HasSubstr("stages 0 and 1 both use it"));
}

TEST(PipelineStages, GraphsWithoutLayersOrWithLayersThatComeBackAreErrors) {
  GraphBuilder builder(Graph{});
  const ValueId x = builder.add_source("x", {{2, 8}}, DType::kBf16, SymbolRole::kInput, "x");
  ASSERT_TRUE(builder.add(OpKind::kScale, "y", {x}, {{"scale", 0.5}}).ok());
  const auto none = layer_spans(builder.graph());
  ASSERT_FALSE(none.ok());
  EXPECT_THAT(none.error().to_string(), HasSubstr("has no layers"));
  ValueId y = x;
  for (const int64_t layer : {0, 1, 0}) {
    builder.set_layer(layer);
    y = *builder.add(OpKind::kScale, "z" + std::to_string(builder.graph().nodes.size()), {y},
                     {{"scale", 0.5}});
  }
  const auto back = layer_spans(builder.graph());
  ASSERT_FALSE(back.ok());
  EXPECT_THAT(back.error().to_string(), HasSubstr("comes back to layer 0"));
}

std::vector<SpanCost> costs_of(const std::vector<double>& work) {
  std::vector<SpanCost> costs;
  for (const double w : work) costs.push_back({w, 0});
  return costs;
}

TEST(PipelineBalance, AHeavyHeadGetsFewerLayers) {
  EXPECT_THAT(balanced_starts(costs_of({1, 1, 1, 1, 1, 1, 1, 4}), 2), ElementsAre(0, 5));
  EXPECT_THAT(balanced_starts(costs_of({1, 1, 1, 1}), 4), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(balanced_starts(costs_of({1, 1, 1, 1}), 1), ElementsAre(0));
}

TEST(PipelineBalance, ADearBorderIsAvoided) {
  auto costs = costs_of({1, 1, 1, 1});
  EXPECT_THAT(balanced_starts(costs, 2), ElementsAre(0, 2));
  costs[2].arrival_s = 10;
  EXPECT_THAT(balanced_starts(costs, 2), ElementsAre(0, 1));
}

// The slowest stage or border of a cut.
double slowest(const std::vector<SpanCost>& costs, const std::vector<size_t>& starts) {
  double most = 0;
  for (size_t s = 0; s < starts.size(); ++s) {
    const size_t end = s + 1 < starts.size() ? starts[s + 1] : costs.size();
    double work = 0;
    for (size_t i = starts[s]; i < end; ++i) work += costs[i].work_s;
    most = std::max({most, work, s > 0 ? costs[starts[s]].arrival_s : 0});
  }
  return most;
}

double best_of_all(const std::vector<SpanCost>& costs, size_t stages, std::vector<size_t> starts) {
  if (starts.size() == stages) return slowest(costs, starts);
  double best = std::numeric_limits<double>::infinity();
  for (size_t next = starts.back() + 1; next + (stages - starts.size()) <= costs.size(); ++next) {
    starts.push_back(next);
    best = std::min(best, best_of_all(costs, stages, starts));
    starts.pop_back();
  }
  return best;
}

TEST(PipelineBalance, NoOtherCutIsFaster) {
  Random random(3);
  for (int trial = 0; trial < 200; ++trial) {
    std::vector<SpanCost> costs;
    const size_t spans = 1 + random.below(9);
    for (size_t i = 0; i < spans; ++i) costs.push_back({random.uniform(), random.uniform() * 0.8});
    const size_t stages = 1 + random.below(spans);
    const auto starts = balanced_starts(costs, stages);
    ASSERT_EQ(starts.size(), stages);
    EXPECT_NEAR(slowest(costs, starts), best_of_all(costs, stages, {0}), 1e-9);
  }
}

}  // namespace
}  // namespace rdusim::compiler
