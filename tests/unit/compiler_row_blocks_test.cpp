// How many rows a block has: the rule for short prompts and for sections without products, larger ones where
// a section is done sooner with them; what memory streams of a section do beside each other; and who gets
// PCUs where few blocks pass.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "compiler/compile.h"
#include "compiler/passes/traffic.h"
#include "tests/support/decoder_graph.h"
#include "tests/support/small_chip.h"

namespace rdusim::compiler {
namespace {

using testing::decoder_graph;
using testing::DecoderSpec;

// Wide enough that a product's operands are worth their way: 256 columns, an operator a section.
Program unfused(int64_t tokens, int64_t batch) {
  DecoderSpec spec;
  spec.layers = 1;
  spec.width = 256;
  spec.heads = 8;
  spec.kv_heads = 8;
  spec.head_dim = 32;
  spec.mlp = 1024;
  spec.query = tokens;
  spec.past = 0;
  spec.batch = batch;
  CompileOptions options;
  options.fusion = Fusion::kNone;
  auto program = compile(decoder_graph(spec), rdusim::testing::small_chip(), options);
  EXPECT_TRUE(program.ok()) << (program.ok() ? "" : program.error().to_string());
  return program.ok() ? std::move(*program) : Program{};
}

const Section* section_with(const Program& program, const std::string& name) {
  const auto at = std::find_if(program.sections.begin(), program.sections.end(), [&](const Section& s) {
    return s.name.size() >= name.size() && s.name.ends_with(name);
  });
  return at == program.sections.end() ? nullptr : &*at;
}

const Unit* unit_of(const Section& section, UnitKind kind, const std::string& part = "") {
  const auto at = std::find_if(section.units.begin(), section.units.end(), [&](const Unit& u) {
    return u.kind == kind && u.name.find(part) != std::string::npos;
  });
  return at == section.units.end() ? nullptr : &*at;
}

// Rows of the blocks that the section stores.
int64_t rows_of(const Program& program, const std::string& name) {
  const Section* section = section_with(program, name);
  const Unit* store = section == nullptr ? nullptr : unit_of(*section, UnitKind::kStore);
  return store == nullptr ? 0 : store->stream->rows_per_token;
}

TEST(CompilerRowBlocks, AProductAloneOnTheChipTakesLargerBlocks) {
  const Program program = unfused(2048, 4);
  EXPECT_GT(rows_of(program, ".gate"), 32);
  EXPECT_LE(rows_of(program, ".gate"), 2048 * 4 / 16);
}

TEST(CompilerRowBlocks, SectionsWithoutProductsKeepTheRule) {
  const Program program = unfused(2048, 4);
  EXPECT_EQ(rows_of(program, ".norm1"), 32);
  EXPECT_EQ(rows_of(program, ".swiglu"), 32);
}

TEST(CompilerRowBlocks, ARunOfFewBlocksKeepsTheRule) {
  EXPECT_EQ(rows_of(unfused(512, 1), ".gate"), 32);
}

TEST(CompilerRowBlocks, HeldWeightsAreFetchedBeforeRows) {
  const Program program = unfused(2048, 4);
  const Section* section = section_with(program, ".gate");
  ASSERT_NE(section, nullptr);
  const Unit* weights = unit_of(*section, UnitKind::kLoad, "wg");
  const Unit* rows = unit_of(*section, UnitKind::kLoad, "norm");
  ASSERT_NE(weights, nullptr);
  ASSERT_NE(rows, nullptr);
  EXPECT_LT(weights->stream->priority, rows->stream->priority);
}

TEST(CompilerRowBlocks, StreamsThatMeetRunInStepAndResultsMayWait) {
  const Program program = unfused(2048, 4);
  const Section* section = section_with(program, ".swiglu");
  ASSERT_NE(section, nullptr);
  const Unit* work = unit_of(*section, UnitKind::kSimd);
  const Unit* store = unit_of(*section, UnitKind::kStore);
  ASSERT_NE(work, nullptr);
  ASSERT_NE(store, nullptr);
  ASSERT_EQ(work->inputs.size(), 2);
  const auto capacity = [&](const InputPort& port) {
    return section->channels[port.channel.value].capacity_tokens;
  };
  EXPECT_EQ(capacity(work->inputs[0]), capacity(work->inputs[1]));
  EXPECT_LT(capacity(work->inputs[0]), work->firings);
  EXPECT_GT(capacity(store->inputs[0]), 2);
}

// A decoder layer fused, with so many tokens of a prompt.
Section fused_layer(int64_t tokens) {
  DecoderSpec spec;
  spec.layers = 1;
  spec.width = 256;
  spec.heads = 8;
  spec.kv_heads = 8;
  spec.head_dim = 32;
  spec.mlp = 1024;
  spec.query = tokens;
  spec.past = 0;
  CompileOptions options;
  options.fusion = Fusion::kLayer;
  const auto program = compile(decoder_graph(spec), rdusim::testing::small_chip(), options);
  EXPECT_TRUE(program.ok()) << (program.ok() ? "" : program.error().to_string());
  if (!program.ok()) return {};
  const auto longest =
      std::max_element(program->sections.begin(), program->sections.end(),
                       [](const Section& a, const Section& b) { return a.units.size() < b.units.size(); });
  return *longest;
}

TEST(CompilerFewBlocks, ACourseCountsBlocksAndStages) {
  const BlockCourse two = block_course(fused_layer(64));
  const BlockCourse many = block_course(fused_layer(512));
  EXPECT_EQ(two.blocks, 2);
  EXPECT_EQ(many.blocks, 16);
  // norm, q, rotation, scores, softmax, values, o, add, norm, gate, swiglu, down, add
  EXPECT_EQ(two.depth, 13);
  EXPECT_EQ(many.depth, two.depth);
  EXPECT_TRUE(two.few());
  EXPECT_FALSE(many.few());
}

// Stages that follow one another get PCUs so that the sum of their times is small, not the longest of them.
TEST(CompilerFewBlocks, ShortStagesGetMoreThanTheirShare) {
  const auto pcus = [](const Section& section, const std::string& part) {
    const auto at = std::find_if(section.units.begin(), section.units.end(), [&](const Unit& u) {
      return u.kind != UnitKind::kBuffer && u.pcus > 0 && u.name.find(part) != std::string::npos;
    });
    return at == section.units.end() ? int64_t{0} : at->pcus;
  };
  const Section few = fused_layer(64);
  const Section many = fused_layer(512);
  EXPECT_GT(pcus(few, ".q"), pcus(many, ".q"));
  EXPECT_LT(pcus(few, "gate"), pcus(many, "gate"));
}

}  // namespace
}  // namespace rdusim::compiler
