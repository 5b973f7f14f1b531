// Section borders by the cost model, kernel looping, simplify, and what --explain says of them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "compiler/compile.h"
#include "compiler/graph/interpreter.h"
#include "compiler/graph/verify.h"
#include "compiler/passes/pass.h"
#include "tests/support/decoder_graph.h"
#include "tests/support/small_chip.h"

namespace rdusim::compiler {
namespace {

using testing::decoder_graph;
using testing::DecoderSpec;
using ::testing::HasSubstr;

Result<Program> compile_with(const DecoderSpec& spec, const CompileOptions& options,
                             const ChipSpec& chip = rdusim::testing::small_chip()) {
  return compile(decoder_graph(spec), chip, options);
}

// What is not cut is the program of whole layers, and is called so.
TEST(FuseByCost, DearLaunchesKeepALayerTogether) {
  for (const int64_t query : {1, 70}) {
    DecoderSpec spec;
    spec.query = query;
    CompileOptions options;
    options.fusion = Fusion::kLayer;
    auto by_layer = compile_with(spec, options);
    options.fusion = Fusion::kAuto;
    options.launch_s = 1e-3;
    auto by_cost = compile_with(spec, options);
    ASSERT_TRUE(by_layer.ok() && by_cost.ok());
    EXPECT_TRUE(by_layer->name.ends_with(".layer"));
    EXPECT_EQ(*by_cost, *by_layer);
  }
}

// A prompt whose layer's weights do not stay on a chip that is small beside them.
DecoderSpec wide_prompt() {
  DecoderSpec spec;
  spec.layers = 3;
  spec.width = 512;
  spec.heads = 8;
  spec.kv_heads = 8;
  spec.head_dim = 64;
  spec.mlp = 6144;
  spec.query = 512;
  spec.past = 0;
  return spec;
}

ChipSpec slow_memory() {
  ChipSpec chip = rdusim::testing::small_chip();
  chip.hbm.bandwidth_bytes_per_s = 2e10;
  chip.pmu.count = 140;
  chip.pmu.capacity_bytes = 140 << 10;
  return chip;
}

int64_t launch_sum(const Explanation& explanation) {
  int64_t sum = 0;
  for (const SectionExplanation& s : explanation.sections) sum += s.launches;
  return sum;
}

TEST(FuseByCost, ALayerWhoseWeightsDoNotStayIsCutWhereThatIsSooner) {
  CompileOptions options;
  Explanation explanation;
  options.explanation = &explanation;
  auto cut = compile_with(wide_prompt(), options, slow_memory());
  ASSERT_TRUE(cut.ok()) << cut.error().to_string();
  EXPECT_TRUE(cut->name.ends_with(".auto")) << cut->name;
  std::vector<std::string> reasons;
  for (const SectionExplanation& s : explanation.sections) {
    if (s.name.starts_with("layer.")) reasons.push_back(s.border_reason);
  }
  ASSERT_GE(reasons.size(), 2U);
  EXPECT_THAT(reasons.front(), HasSubstr("joined with the next piece it takes"));
  EXPECT_THAT(reasons.back(), HasSubstr("cycles together, whole it would take"));
  EXPECT_EQ(launch_sum(explanation), static_cast<int64_t>(2 + 3 * reasons.size()));
  // Dear launches make it whole again.
  options.launch_s = 1;
  cut = compile_with(wide_prompt(), options, slow_memory());
  ASSERT_TRUE(cut.ok());
  EXPECT_TRUE(cut->name.ends_with(".layer"));
}

// As dear as launches may be for layers to be cut that are launched one by one, those stay whole that are
// launched once for all.
TEST(FuseByCost, ALayerThatLoopsIsLaunchedOnce) {
  CompileOptions options;
  const auto cut = [&](double launch_s, bool loop) {
    options.launch_s = launch_s;
    options.loop = loop;
    auto program = compile_with(wide_prompt(), options, slow_memory());
    EXPECT_TRUE(program.ok());
    return program.ok() && program->name.ends_with(".auto");
  };
  double cheap = 1e-5;
  double dear = 1e-1;
  ASSERT_TRUE(cut(cheap, true));
  ASSERT_FALSE(cut(dear, false));
  while (dear > 1.2 * cheap) {
    const double middle = std::sqrt(cheap * dear);
    (cut(middle, false) ? cheap : dear) = middle;
  }
  EXPECT_FALSE(cut(cheap, true));
}

TEST(FuseByCost, ALayerThatStaysSaysWhatACutWouldTake) {
  Explanation explanation;
  CompileOptions options;
  options.explanation = &explanation;
  ASSERT_TRUE(compile_with({}, options).ok());
  ASSERT_EQ(explanation.sections.size(), 3U);
  EXPECT_EQ(explanation.sections[0].border_reason, "the block is one operator");
  EXPECT_THAT(explanation.sections[1].border_reason, HasSubstr("the block ends; whole it takes"));
  EXPECT_THAT(explanation.sections[2].border_reason, HasSubstr("any cut"));
}

// A prompt whose layer has more channels than the chip has PMUs: forced fusion fails, the cost model splits
// it.
TEST(FuseByCost, ALayerOverTheBudgetIsSplitAndSaysWhy) {
  DecoderSpec spec;
  spec.query = 130;
  spec.past = 0;
  ChipSpec chip = rdusim::testing::small_chip();
  CompileOptions options;
  options.fusion = Fusion::kAuto;
  options.launch_s = 1e-3;
  Explanation explanation;
  options.explanation = &explanation;
  auto roomy = compile_with(spec, options, chip);
  ASSERT_TRUE(roomy.ok()) << roomy.error().to_string();
  for (chip.pmu.count = 60; chip.pmu.count > 8; chip.pmu.count -= 4) {
    CompileOptions whole;
    whole.fusion = Fusion::kLayer;
    if (compile_with(spec, whole, chip).ok()) continue;
    auto split = compile_with(spec, options, chip);
    if (!split.ok()) continue;
    const auto told = [](const SectionExplanation& e) {
      return e.border_reason.find("joined with the next piece it needs") != std::string::npos;
    };
    if (std::none_of(explanation.sections.begin(), explanation.sections.end(), told)) continue;
    EXPECT_GT(split->sections.size(), roomy->sections.size());
    return;
  }
  FAIL() << "no number of PMUs splits the layer without splitting an operator";
}

TEST(Fuse, UnfusedACollectiveBelongsToTheOperatorItCompletes) {
  CompileOptions options;
  options.fusion = Fusion::kNone;
  auto alone = compile_with({}, options);
  options.sockets = 2;
  auto two = compile_with({}, options);
  ASSERT_TRUE(alone.ok() && two.ok());
  EXPECT_EQ(two->launches.size(), alone->launches.size());
  const auto exchanges = std::count_if(two->sections.begin(), two->sections.end(), [](const Section& s) {
    return std::any_of(s.units.begin(), s.units.end(), [](const Unit& u) { return u.exchange.has_value(); });
  });
  EXPECT_GE(exchanges, 3);  // embedding, the attention's and the MLP's last linear
}

TEST(Loop, EqualLayersBecomeOneLaunchAndLifetimesStay) {
  DecoderSpec spec;
  spec.layers = 7;
  CompileOptions options;
  auto plain = compile_with(spec, options);
  options.loop = true;
  auto looped = compile_with(spec, options);
  ASSERT_TRUE(plain.ok() && looped.ok());
  ASSERT_EQ(looped->launches.size(), 3U);  // entry, layers, head
  EXPECT_EQ(looped->launches[1].iterations, 7);
  EXPECT_EQ(program_steps(*looped), program_steps(*plain));
  EXPECT_EQ(looped->symbols, plain->symbols);
  for (int64_t i = 0; i < 7; ++i) {
    const auto row = looped->launches[1].row(i);
    EXPECT_TRUE(
        std::equal(row.begin(), row.end(), plain->launches[static_cast<size_t>(1 + i)].bindings.begin()));
  }
}

// The toy decoder's operators on a graph with repeats, an identity and dead ends.
Graph cluttered(bool clutter) {
  Graph header;
  header.name = "clutter";
  header.phase = "decode";
  GraphBuilder b(header);
  b.set_activation_dtype(DType::kFp32);
  const auto add = [&](OpKind op, std::string name, std::vector<ValueId> in, std::vector<Attribute> at = {}) {
    auto id = b.add(op, std::move(name), std::move(in), std::move(at));
    RDU_CHECK(id.ok(), "{}", id.error().to_string());
    return *id;
  };
  const ValueId x = b.add_source("x", {{3, 8}}, DType::kFp32, SymbolRole::kInput, "x");
  const ValueId w = b.add_source("w", {{8, 8}}, DType::kBf16, SymbolRole::kWeight, "w");
  const ValueId unread = b.add_source("unread", {{8, 8}}, DType::kBf16, SymbolRole::kWeight, "unread");
  const ValueId a = add(OpKind::kLinear, "a", {x, w});
  ValueId again = a;
  ValueId picked = a;
  if (clutter) {
    again = add(OpKind::kLinear, "again", {x, w});
    picked = add(OpKind::kLastToken, "picked", {a}, {{"query_tokens", int64_t{1}}});
    const ValueId dead = add(OpKind::kLinear, "dead", {again, unread});
    add(OpKind::kAdd, "deader", {dead, dead});
  }
  const ValueId sum = add(OpKind::kAdd, "sum", {picked, again});
  b.set_role(sum, SymbolRole::kOutput);
  return std::move(b).take();
}

Compilation simplified(Graph graph) {
  Compilation c;
  c.graph = std::move(graph);
  EXPECT_TRUE(simplify(c).ok());
  return c;
}

TEST(Simplify, RepeatsIdentitiesAndDeadEndsGo) {
  const Compilation c = simplified(cluttered(true));
  ASSERT_TRUE(verify_graph(c.graph).ok()) << verify_graph(c.graph).error().to_string();
  ASSERT_EQ(c.graph.nodes.size(), 2U);
  EXPECT_EQ(c.graph.nodes[0].name, "a");
  EXPECT_EQ(c.graph.nodes[1].name, "sum");
  EXPECT_EQ(c.graph.nodes[1].inputs[0], c.graph.nodes[1].inputs[1]);
  for (const Value& v : c.graph.values) EXPECT_NE(v.name, "unread");
}

TEST(Simplify, ValuesStay) {
  const auto run = [](const Graph& graph) {
    Interpreter interpreter(graph, false);
    ValueId output{};
    for (size_t i = 0; i < graph.values.size(); ++i) {
      const Value& v = graph.values[i];
      if (v.role == SymbolRole::kOutput) output = ValueId(i);
      if (v.producer) continue;
      Tensor t(v.shape.rows(), v.shape.cols());
      for (size_t k = 0; k < t.values.size(); ++k)
        t.values[k] = static_cast<float>(static_cast<int>((k * 7 + v.name.size()) % 11) - 5) / 8;
      EXPECT_TRUE(interpreter.set(ValueId(i), std::move(t)).ok());
    }
    EXPECT_TRUE(interpreter.run().ok());
    return interpreter.get(output).values;
  };
  const Graph graph = cluttered(true);
  EXPECT_EQ(run(simplified(graph).graph), run(graph));
}

TEST(Simplify, ACleanGraphIsLeftAlone) {
  const Graph graph = decoder_graph(DecoderSpec{});
  EXPECT_EQ(simplified(graph).graph, graph);
}

TEST(Explain, NamesTheBoundTheBordersAndWhatWouldHelp) {
  Explanation explanation;
  CompileOptions options;
  options.explanation = &explanation;
  options.fusion = Fusion::kLayer;
  options.launch_s = 1e-6;
  auto program = compile_with({}, options);
  ASSERT_TRUE(program.ok());
  ASSERT_EQ(explanation.sections.size(), program->sections.size());
  for (const SectionExplanation& s : explanation.sections) {
    const int64_t most = std::max({s.stage_cycles, s.read_cycles, s.hbm_cycles, s.mesh_cycles});
    const int64_t bound = s.bound_by == "compute"     ? s.stage_cycles
                          : s.bound_by == "pmu reads" ? s.read_cycles
                          : s.bound_by == "hbm"       ? s.hbm_cycles
                                                      : s.mesh_cycles;
    EXPECT_EQ(bound, most) << s.name;
    EXPECT_EQ(s.launch_cycles, 1000);
    EXPECT_LE(s.gemm_of_peak, 1);
    EXPECT_EQ(s.border_reason, "--fusion layer");
    EXPECT_GT(s.border_bytes, 0) << s.name;
  }
  EXPECT_THAT(explanation.what_if.at(0), HasSubstr("brings it from"));
  EXPECT_TRUE(explanation.spills.empty());
}

TEST(Explain, SpillsAreListedWithWhatTheyCost) {
  ChipSpec chip = rdusim::testing::small_chip();
  CompileOptions options;
  auto roomy = compile_with({}, options, chip);
  ASSERT_TRUE(roomy.ok());
  chip.hbm.capacity_bytes = roomy->tiers[static_cast<size_t>(Tier::kHbm)].bytes - 1;
  Explanation explanation;
  options.explanation = &explanation;
  ASSERT_TRUE(compile_with({}, options, chip).ok());
  ASSERT_FALSE(explanation.spills.empty());
  for (const SpillExplanation& s : explanation.spills) {
    const double lost = static_cast<double>(s.bytes * s.uses) * (1 / 1e11 - 1 / 1e12);
    EXPECT_DOUBLE_EQ(s.seconds, lost);
  }
  EXPECT_THAT(explanation.what_if.at(0), HasSubstr("more HBM a socket: nothing is spilled"));
}

}  // namespace
}  // namespace rdusim::compiler
