// Mixtures of experts over sockets: what each holds, what does not divide, and which load they have room for.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "compiler/compile.h"
#include "compiler/ops/moe_plan.h"
#include "tests/support/small_chip.h"

namespace rdusim::compiler {
namespace {

constexpr int64_t kExperts = 8, kInner = 6, kWidth = 16, kTokens = 24;

Graph mixture() {
  Graph graph;
  graph.name = "mixture";
  graph.phase = "prefill";
  graph.query_tokens = kTokens;
  GraphBuilder b(std::move(graph));
  const auto weight = [&b](const std::string& name, int64_t rows, int64_t cols) {
    return b.add_source(name, Shape{{rows, cols}}, DType::kBf16, SymbolRole::kWeight, name);
  };
  const ValueId x = b.add_source("x", Shape{{kTokens, kWidth}}, DType::kFp32, SymbolRole::kInput, "x");
  const ValueId logits = *b.add(OpKind::kLinear, "router", {x, weight("w_router", kExperts, kWidth)});
  const ValueId gate =
      *b.add(OpKind::kMoeGate, "gate", {logits}, {{"k", int64_t{2}}, {"normalize", int64_t{1}}});
  const ValueId y =
      *b.add(OpKind::kMoeExperts, "experts",
             {x, gate, weight("w_gate", kExperts * kInner, kWidth), weight("w_up", kExperts * kInner, kWidth),
              weight("w_down", kExperts * kWidth, kInner)},
             {{"experts", kExperts}, {"form", int64_t{0}}, {"k", int64_t{2}}});
  b.set_role(y, SymbolRole::kOutput);
  return std::move(b).take();
}

Result<Program> compile_mixture(const CompileOptions& options) {
  return compile(mixture(), rdusim::testing::small_chip(), options);
}

CompileOptions expert_parallel(int64_t sockets, int64_t groups = 0) {
  CompileOptions options;
  options.sockets = sockets;
  options.moe_parallel = MoeParallel::kExpert;
  options.expert_groups = groups;
  return options;
}

const Symbol& symbol(const Program& program, const std::string& name) {
  for (const Symbol& s : program.symbols) {
    if (s.name == name) return s;
  }
  ADD_FAILURE() << "no symbol " << name;
  return program.symbols.front();
}

std::string error_of(const CompileOptions& options) {
  const auto program = compile_mixture(options);
  return program.ok() ? "no error" : program.error().to_string();
}

#define EXPECT_HAS(text, part) EXPECT_NE((text).find(part), std::string::npos) << (text)

TEST(CompilerMoe, EachSocketHoldsWholeExperts) {
  const auto program = compile_mixture(expert_parallel(4));
  ASSERT_TRUE(program.ok()) << program.error().to_string();
  EXPECT_EQ(symbol(*program, "w_up").rows, kExperts * kInner / 4);
  EXPECT_EQ(symbol(*program, "w_up").cols, kWidth);
  EXPECT_EQ(symbol(*program, "w_down").rows, kExperts * kWidth / 4);
  EXPECT_EQ(symbol(*program, "w_down").cols, kInner);
  EXPECT_EQ(symbol(*program, "first_expert").source, "column?values=0,2,4,6");
  EXPECT_EQ(symbol(*program, "first_expert").rows, 1);
  EXPECT_NE(program->name.find(".tp4.ep4."), std::string::npos) << program->name;
}

TEST(CompilerMoe, SocketsOfAGroupCutTheirExpertsWidth) {
  const auto program = compile_mixture(expert_parallel(4, 2));
  ASSERT_TRUE(program.ok()) << program.error().to_string();
  EXPECT_EQ(symbol(*program, "w_up").rows, kExperts / 2 * kInner / 2);
  EXPECT_EQ(symbol(*program, "w_down").rows, kExperts / 2 * kWidth);
  EXPECT_EQ(symbol(*program, "w_down").cols, kInner / 2);
  EXPECT_EQ(symbol(*program, "first_expert").source, "column?values=0,0,4,4");
}

// However they are cut, a socket holds its share, and no byte more.
TEST(CompilerMoe, EveryCutHoldsTheSameBytes) {
  for (const int64_t groups : {2, 4}) {
    auto options = expert_parallel(4, groups);
    const auto expert = compile_mixture(options);
    ASSERT_TRUE(expert.ok()) << expert.error().to_string();
    for (const char* name : {"w_gate", "w_up", "w_down"}) {
      const Symbol& s = symbol(*expert, name);
      EXPECT_EQ(s.bytes() * 4, s.full_rows * s.full_cols * dtype_bytes(s.dtype)) << name << groups;
    }
  }
}

TEST(CompilerMoe, WhatDoesNotDivideIsNamed) {
  EXPECT_HAS(error_of(expert_parallel(3)), "8 experts do not divide over 3 groups of sockets");
  EXPECT_HAS(error_of(expert_parallel(3)), "experts");
  EXPECT_HAS(error_of(expert_parallel(6, 4)), "6 sockets do not divide into 4 groups");
  EXPECT_HAS(error_of(expert_parallel(32)),
             "6 columns an expert do not divide over the 4 sockets of a group");
  CompileOptions tensor;
  tensor.expert_groups = 2;
  EXPECT_HAS(error_of(tensor), "groups of sockets for experts, which are cut by their inner width");
}

TEST(CompilerMoe, AModelWithoutExpertsIsRefused) {
  GraphBuilder b(Graph{});
  const ValueId x = b.add_source("x", Shape{{1, 4}}, DType::kFp32, SymbolRole::kInput, "x");
  const ValueId w = b.add_source("w", Shape{{4, 4}}, DType::kBf16, SymbolRole::kWeight, "w");
  b.set_role(*b.add(OpKind::kLinear, "y", {x, w}), SymbolRole::kOutput);
  const auto program = compile(std::move(b).take(), rdusim::testing::small_chip(), expert_parallel(2));
  ASSERT_FALSE(program.ok());
  EXPECT_HAS(program.error().to_string(), "has no mixture of experts");
}

TEST(CompilerMoe, ExplainSaysWhatASocketHolds) {
  Explanation explanation;
  auto options = expert_parallel(4, 2);
  options.explanation = &explanation;
  ASSERT_TRUE(compile_mixture(options).ok());
  std::vector<std::string> cuts;
  for (const HoldingExplanation& h : explanation.holdings) cuts.push_back(h.name + ": " + h.cut);
  const std::vector<std::string> wanted = {"w_router: rows / 4", "w_gate: 4 of 8 experts, rows / 2",
                                           "w_up: 4 of 8 experts, rows / 2",
                                           "w_down: 4 of 8 experts, columns / 2"};
  EXPECT_EQ(cuts, wanted);
  ASSERT_EQ(explanation.mixtures.size(), 1U);
  EXPECT_EQ(explanation.mixtures[0].block_rows, kTokens);  // a row chooses an expert once
  EXPECT_EQ(explanation.mixtures[0].blocks, 4);
}

// A row of two choices, of eight experts: one socket has both, eight have one each.
TEST(MoePlan, UniformBlocksOfOneRowAreItsChoices) {
  EXPECT_EQ(uniform_blocks(1, 2, 8, 1, 1), 2);
  EXPECT_EQ(uniform_blocks(1, 2, 8, 8, 1), 1);
  EXPECT_EQ(uniform_blocks(1, 2, 8, 2, 1), 1);  // 3 of 7 times both lie on one of two: 1.43
}

// 8 (1 - (3/4)^4) = 5.47 different experts, of which every one is on some socket of 8.
TEST(MoePlan, UniformBlocksOfAFewRowsAreTheExpectedExperts) {
  EXPECT_EQ(uniform_blocks(4, 2, 8, 1, 8), 5);
  EXPECT_EQ(uniform_blocks(4, 2, 8, 8, 4), 1);
  EXPECT_EQ(uniform_blocks(64, 2, 8, 1, 64), 8);
}

// 4096 pairs of 8 experts: about 512 each, in blocks of 256 two or three; the worst choice on one socket of
// eight is all 2048 rows.
TEST(MoePlan, ManyRowsAreSharedEvenly) {
  const int64_t all = uniform_blocks(2048, 2, 8, 1, 256);
  EXPECT_GE(all, 16);
  EXPECT_LE(all, 23);
  EXPECT_EQ(uniform_blocks(2048, 2, 8, 8, 256), 3);
}

TEST(MoePlan, UniformLoadTakesFewerBlocksThanTheWorst) {
  for (const int64_t groups : {0, 2}) {
    CompileOptions options = expert_parallel(4, groups);
    Explanation worst;
    Explanation uniform;
    options.explanation = &worst;
    ASSERT_TRUE(compile_mixture(options).ok());
    options.explanation = &uniform;
    options.moe_load = MoeLoad::kUniform;
    const auto program = compile_mixture(options);
    ASSERT_TRUE(program.ok());
    EXPECT_LE(uniform.mixtures.at(0).blocks, worst.mixtures.at(0).blocks);
    EXPECT_NE(program->name.find(".uniform."), std::string::npos) << program->name;
  }
}

}  // namespace
}  // namespace rdusim::compiler
