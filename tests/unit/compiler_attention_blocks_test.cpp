// Attention by blocks of keys: how much of the scores is on chip, how often keys are read, and where whole
// rows stay. Its values: tests/property/cli_program_values_test.cpp.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "compiler/compile.h"
#include "tests/support/decoder_graph.h"
#include "tests/support/small_chip.h"

namespace rdusim::compiler {
namespace {

using testing::decoder_graph;
using testing::DecoderSpec;

Program compiled(int64_t tokens, int64_t past, int64_t key_block, int64_t batch = 1) {
  DecoderSpec spec;
  spec.layers = 1;
  spec.batch = batch;
  spec.query = tokens;
  spec.past = past;
  CompileOptions options;
  options.key_block = key_block;
  auto program = compile(decoder_graph(spec), rdusim::testing::small_chip(), options);
  EXPECT_TRUE(program.ok()) << (program.ok() ? "" : program.error().to_string());
  return program.ok() ? std::move(*program) : Program{};
}

// The unit of that role in the attention, or null.
const Unit* unit_of(const Program& program, const std::string& role, const Section** section = nullptr) {
  for (const Section& s : program.sections) {
    for (const Unit& u : s.units) {
      if (u.name.size() > role.size() && u.name.ends_with("." + role)) {
        if (section != nullptr) *section = &s;
        return &u;
      }
    }
  }
  return nullptr;
}

// Elements of the largest token that the stage of the scores gives.
int64_t score_elements(const Program& program) {
  const Section* section = nullptr;
  const Unit* unit = unit_of(program, "scores", &section);
  if (unit == nullptr) return 0;
  int64_t most = 0;
  for (const OutputPort& port : unit->outputs) {
    for (const ChannelId id : port.channels) {
      const Channel& c = section->channels[id.value];
      most = std::max(most, c.rows * c.cols);
    }
  }
  return most;
}

TEST(CompilerAttentionBlocks, OneBlockOfScoresIsOnChipHoweverLongTheSequence) {
  constexpr int64_t kHeads = 4;  // of the toy
  // 128 rows of queries meet 64 keys at once.
  EXPECT_EQ(score_elements(compiled(512, 0, 64)), 128 * kHeads * 64);
  EXPECT_EQ(score_elements(compiled(1024, 0, 64)), 128 * kHeads * 64);
  // Whole rows grow.
  EXPECT_EQ(score_elements(compiled(256, 0, 0)), 32 * kHeads * 256);
  EXPECT_EQ(score_elements(compiled(512, 0, 0)), 32 * kHeads * 512);
}

TEST(CompilerAttentionBlocks, EveryBlockOfKeysMeetsEveryBlockOfRows) {
  const Program program = compiled(1024, 0, 64);
  const Unit* scores = unit_of(program, "scores");
  ASSERT_NE(scores, nullptr);
  EXPECT_EQ(scores->firings, (1024 / 128) * (1024 / 64));
  // Blocks of 32 rows that no number up to four divides go one by one.
  const Program prime = compiled(13 * 32, 0, 64);
  const Unit* one = unit_of(prime, "scores");
  ASSERT_NE(one, nullptr);
  EXPECT_EQ(one->firings, 13 * 7);
}

TEST(CompilerAttentionBlocks, CachedKeysAreBlocksOfTheSameSequence) {
  const Program program = compiled(96, 100, 64);
  const Unit* scores = unit_of(program, "scores");
  ASSERT_NE(scores, nullptr);
  EXPECT_EQ(scores->firings, 1 * 4);  // 196 keys
  const Program several = compiled(96, 100, 64, 3);
  const Unit* of_each = unit_of(several, "scores");
  ASSERT_NE(of_each, nullptr);
  EXPECT_EQ(of_each->firings, 3 * 1 * 4);
}

TEST(CompilerAttentionBlocks, ShortSequencesDecodeAndWindowsKeepWholeRows) {
  EXPECT_EQ(unit_of(compiled(512, 0, 0), "running"), nullptr);
  EXPECT_EQ(unit_of(compiled(64, 0, 64), "running"), nullptr);
  EXPECT_NE(unit_of(compiled(65, 0, 64), "running"), nullptr);
  EXPECT_EQ(unit_of(compiled(1, 300, 64), "running"), nullptr);
  DecoderSpec spec;
  spec.query = 300;
  spec.past = 0;
  spec.window = 40;
  CompileOptions options;
  options.key_block = 64;
  const auto program = compile(decoder_graph(spec), rdusim::testing::small_chip(), options);
  ASSERT_TRUE(program.ok()) << program.error().to_string();
  EXPECT_EQ(unit_of(*program, "running"), nullptr);
}

}  // namespace
}  // namespace rdusim::compiler
