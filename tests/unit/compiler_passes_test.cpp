// Do the passes give a program that holds together, and say what is wrong when they cannot?
#include <gtest/gtest.h>

#include <set>

#include "compiler/compile.h"
#include "tests/support/decoder_graph.h"
#include "tests/support/small_chip.h"

namespace rdusim::compiler {
namespace {

using testing::decoder_graph;
using testing::DecoderSpec;

Result<Program> compile_toy(const DecoderSpec& spec, int64_t sockets, Fusion fusion,
                            const ChipSpec& chip = rdusim::testing::small_chip()) {
  CompileOptions options;
  options.sockets = sockets;
  options.fusion = fusion;
  return compile(decoder_graph(spec), chip, options);
}

TEST(CompilerPasses, FusedLayersShareOneSectionAndAreLaunchedInTurn) {
  DecoderSpec spec;
  spec.layers = 5;
  auto program = compile_toy(spec, 1, Fusion::kLayer);
  ASSERT_TRUE(program.ok()) << program.error().to_string();
  EXPECT_EQ(program->sections.size(), 3U);  // entry, layer, head
  EXPECT_EQ(program->launches.size(), 7U);
}

TEST(CompilerPasses, UnfusedRunsOneOperatorASection) {
  const DecoderSpec spec;
  const Graph graph = decoder_graph(spec);
  auto program = compile_toy(spec, 1, Fusion::kNone);
  ASSERT_TRUE(program.ok()) << program.error().to_string();
  EXPECT_EQ(program->launches.size(), graph.nodes.size());
  EXPECT_LT(program->sections.size(), program->launches.size());
}

TEST(CompilerPasses, EverySocketHoldsItsShareOfTheWeights) {
  DecoderSpec spec;
  spec.width = 64;
  spec.mlp = 96;
  auto one = compile_toy(spec, 1, Fusion::kLayer);
  auto two = compile_toy(spec, 2, Fusion::kLayer);
  ASSERT_TRUE(one.ok() && two.ok());
  const auto linear_bytes = [](const Program& p) {
    int64_t bytes = 0;
    for (const Symbol& s : p.symbols) {
      if (s.role == SymbolRole::kWeight && s.rows > 1) bytes += s.bytes();
    }
    return bytes;
  };
  // The vocabulary (101) does not divide: socket 0 holds one row more than half.
  EXPECT_EQ(linear_bytes(*two) * 2, linear_bytes(*one) + 2 * spec.width);
}

TEST(CompilerPasses, SharedKeyValueHeadsAreHeldByEachSocketThatNeedsThem) {
  DecoderSpec spec;
  spec.kv_heads = 1;
  auto program = compile_toy(spec, 4, Fusion::kLayer);
  ASSERT_TRUE(program.ok()) << program.error().to_string();
  for (const Symbol& s : program->symbols) {
    if (s.name == "layers.0.wk") {
      EXPECT_EQ(s.rows, spec.head_dim);
    }
    if (s.name == "k_cache.0") {
      EXPECT_EQ(s.cols, spec.head_dim);
    }
  }
}

TEST(CompilerPasses, HeadsThatDoNotDivideAreNamed) {
  DecoderSpec spec;
  spec.heads = 6;
  spec.kv_heads = 2;
  auto program = compile_toy(spec, 4, Fusion::kLayer);
  ASSERT_FALSE(program.ok());
  EXPECT_EQ(program.error().to_string(),
            "layers.1.attention: error: 6 attention heads do not divide over 4 sockets\n"
            "  hint: choose a number of sockets that divides the heads");
}

TEST(CompilerPasses, SectionOverTheSramBudgetIsNamed) {
  DecoderSpec spec;
  spec.query = 4096;
  spec.past = 0;
  ChipSpec chip = rdusim::testing::small_chip();
  chip.pmu.count = 4;
  auto program = compile_toy(spec, 1, Fusion::kLayer, chip);
  ASSERT_FALSE(program.ok());
  EXPECT_EQ(program.error().code, ErrorCode::kCapacity);
  EXPECT_NE(program.error().to_string().find("section layer: error: needs"), std::string::npos)
      << program.error().to_string();
}

TEST(CompilerPasses, WeightsThatDoNotFitHbmSpillToDdrLeastTransferFirst) {
  DecoderSpec spec;
  ChipSpec chip = rdusim::testing::small_chip();
  auto roomy = compile_toy(spec, 1, Fusion::kLayer, chip);
  ASSERT_TRUE(roomy.ok());
  chip.hbm.capacity_bytes = roomy->tiers[static_cast<size_t>(Tier::kHbm)].bytes - 1;
  auto tight = compile_toy(spec, 1, Fusion::kLayer, chip);
  ASSERT_TRUE(tight.ok()) << tight.error().to_string();
  int64_t spilled = 0;
  for (const Symbol& s : tight->symbols) {
    if (s.tier == Tier::kDdr) ++spilled;
    if (s.name == "lm_head") {
      EXPECT_EQ(s.tier, Tier::kHbm);
    }
  }
  EXPECT_GT(spilled, 0);
}

TEST(CompilerPasses, DeadActivationsShareAddresses) {
  DecoderSpec spec;
  spec.layers = 8;
  auto program = compile_toy(spec, 1, Fusion::kLayer);
  ASSERT_TRUE(program.ok());
  std::set<int64_t> offsets;
  int64_t activations = 0;
  for (const Symbol& s : program->symbols) {
    if (s.role != SymbolRole::kActivation) continue;
    offsets.insert(s.offset_bytes);
    ++activations;
  }
  EXPECT_EQ(activations, 9);
  EXPECT_EQ(offsets.size(), 2U);  // what a layer reads and what it writes
}

TEST(CompilerPasses, DumpsAfterEachPassInOrder) {
  CompileOptions options;
  std::vector<std::string> seen;
  options.after_pass = [&](std::string_view pass, double, const std::function<std::string()>& dump) {
    seen.emplace_back(pass);
    EXPECT_FALSE(dump().empty());
  };
  ASSERT_TRUE(compile(decoder_graph(DecoderSpec{}), rdusim::testing::small_chip(), options).ok());
  const auto names = pass_names();
  EXPECT_EQ(seen, std::vector<std::string>(names.begin(), names.end()));
}

struct Context {
  int64_t query, past, window;
};
class CompileEverything : public ::testing::TestWithParam<std::tuple<int, Fusion, int, Context>> {};

// verify_program runs at the end of compile(): balanced channels, disjoint live symbols, budgets.
TEST_P(CompileEverything, GivesAProgramThatHoldsTogether) {
  const auto [sockets, fusion, batch, context] = GetParam();
  DecoderSpec spec;
  spec.batch = batch;
  spec.query = context.query;
  spec.past = context.past;
  spec.window = context.window;
  auto program = compile_toy(spec, sockets, fusion);
  ASSERT_TRUE(program.ok()) << program.error().to_string();
  EXPECT_GT(program->flops, 0);
  EXPECT_EQ(program->tokens_per_run, batch * context.query);
}

INSTANTIATE_TEST_SUITE_P(Grid, CompileEverything,
                         ::testing::Combine(::testing::Values(1, 2, 4),
                                            ::testing::Values(Fusion::kNone, Fusion::kLayer),
                                            ::testing::Values(1, 3),
                                            ::testing::Values(Context{1, 0, 0}, Context{1, 5, 0},
                                                              Context{1, 9, 4}, Context{7, 0, 0},
                                                              Context{130, 0, 0}, Context{130, 0, 50})));

// New tokens after cached ones compile, behind a window for several sequences too: the ring is read before it
// is written, and rows so far reach a window and a block back (values: cli_attention_chunks_test).
TEST(CompilerPasses, ChunkedPrefill) {
  DecoderSpec spec;
  spec.query = 4;
  spec.past = 5;
  EXPECT_TRUE(compile_toy(spec, 1, Fusion::kLayer).ok());
  spec.window = 3;
  spec.batch = 2;
  auto program = compile_toy(spec, 1, Fusion::kLayer);
  ASSERT_TRUE(program.ok()) << program.error().to_string();
  int64_t so_far = 0;
  int64_t loads = 0;
  for (const Section& section : program->sections) {
    for (const Unit& unit : section.units) {
      if (unit.name.ends_with(".k_so_far")) {
        ++so_far;
        EXPECT_EQ(unit.outputs.front().keep_rows, 3 + 4 - 1);
        EXPECT_EQ(unit.inputs.size(), 2U);  // new rows, and once a sequence the cached ones
      }
      if (unit.kind != UnitKind::kLoad || !unit.name.starts_with("k_cache")) continue;
      ++loads;
      EXPECT_EQ(unit.stream->begin, 3);  // positions 3 and 4
      EXPECT_EQ(unit.stream->rows, 2);
      EXPECT_EQ(unit.stream->segments, 2);
    }
  }
  EXPECT_EQ(so_far, 1);
  EXPECT_EQ(loads, 1);
}

}  // namespace
}  // namespace rdusim::compiler
