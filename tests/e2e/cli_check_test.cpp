// Values through the simulated chip, by the command: every fixture, every way to compile it; and greedy
// decoding.
#include <gtest/gtest.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "models/fixture.h"
#include "tests/e2e/cli_run.h"

namespace rdusim {
namespace {

using test::Scratch;

const std::string kFixtures = std::string(RDUSIM_SOURCE_DIR) + "/tests/fixtures/models/";

// Each in two types: the reference, and the chip fused and unfused on one and two sockets.
class CliCheckFamily : public ::testing::TestWithParam<std::string> {};

TEST_P(CliCheckFamily, PassesOnReferenceAndChip) {
  const std::string folders = kFixtures + GetParam() + "-1 " + kFixtures + GetParam() + "-2 ";
  const auto run = Scratch().run("check " + folders + "--sockets 1,2 --json -");
  ASSERT_EQ(run.code, 0) << run.err << run.out;
  const auto fixtures = run.json().at("fixtures");
  EXPECT_EQ(fixtures.size(), 2U * 2U * (1U + 4U));
  for (const auto& one : fixtures) {
    EXPECT_TRUE(one.at("passed").get<bool>()) << one.dump();
    EXPECT_GE(one.at("min_cosine").get<double>(), 0.9) << one.dump();
    EXPECT_TRUE(one.at("path") == "reference" || one.at("path") == "chip");
    EXPECT_GT(one.at("compared_tensors").get<int>(), 0);
    EXPECT_TRUE(one.contains("max_abs_error") && one.contains("top1_agreement") && one.contains("dtype"));
  }
}

INSTANTIATE_TEST_SUITE_P(Families, CliCheckFamily,
                         ::testing::Values("llama", "mistral", "e5", "knn", "falcon", "bloom", "mixtral",
                                           "dbrx", "grok", "mamba", "samba", "medusa", "gemma2", "qwen2",
                                           "qwen3", "qwen3moe", "clip", "llava", "pix2struct"));

// Mixtures of experts with whole experts on each socket, or (four experts, two groups) on each pair of them.
class CliCheckMixtureSlow : public ::testing::TestWithParam<std::string> {};

TEST_P(CliCheckMixtureSlow, PassesWithWholeExpertsOnTwoAndFourSockets) {
  const std::string folders = kFixtures + GetParam() + "-1 " + kFixtures + GetParam() + "-2 ";
  for (const char* groups : {"", "--expert-groups 2 "}) {
    const auto run =
        Scratch().run("check " + folders + "--moe-parallel expert " + groups + "--sockets 2,4 --json -");
    ASSERT_EQ(run.code, 0) << run.err << run.out;
    const auto fixtures = run.json().at("fixtures");
    EXPECT_EQ(fixtures.size(), 2U * 2U * (1U + 4U));
    for (const auto& one : fixtures) {
      EXPECT_TRUE(one.at("passed").get<bool>()) << one.dump();
      EXPECT_GT(one.at("compared_tensors").get<int>(), 0);
      EXPECT_EQ(one.value("moe_parallel", "none"), one.at("path") == "chip" ? "expert" : "none");
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Mixtures, CliCheckMixtureSlow,
                         ::testing::Values("mixtral", "dbrx", "grok", "qwen3moe"));

TEST(CliCheck, WholeExpertsPassFused) {
  const auto run = Scratch().run("check " + kFixtures +
                                 "mixtral-1 --moe-parallel expert --sockets 4 --dtype fp32 --fusion layer");
  EXPECT_EQ(run.code, 0) << run.err << run.out;
}

TEST(CliCheck, ExpertsThatDoNotDivideAreNamed) {
  const auto run =
      Scratch().run("check " + kFixtures + "mixtral-1 --moe-parallel expert --expert-groups 3 --sockets 4");
  EXPECT_EQ(run.code, 2);
  EXPECT_NE(run.err.find("4 experts do not divide over 3 groups of sockets"), std::string::npos) << run.err;
}

TEST(CliCheck, ExpertParallelismOfAModelWithoutExpertsIsAnError) {
  const auto run = Scratch().run("check " + kFixtures + "llama-1 --moe-parallel expert --sockets 2");
  EXPECT_EQ(run.code, 2);
  EXPECT_NE(run.err.find("has no mixture of experts"), std::string::npos) << run.err;
}

TEST(CliModels, EveryConfigurationHasTheExpectedCounts) {
  const auto run = Scratch().run("models check --json -");
  ASSERT_EQ(run.code, 0) << run.err << run.out;
  EXPECT_EQ(run.json().at("models").size(), 49U);
  EXPECT_EQ(run.json().at("wrong").get<int>(), 0);
}

TEST(CliModels, AnotherTableIsCheckedRowByRow) {
  const Scratch scratch;
  const std::string header =
      "name,total_params,active_params,weight_bytes_bf16,kv_bytes_per_token_bf16,recurrent_state_bytes_bf16,"
      "flops_per_token_decode,matmul_flops_per_token\n";
  const std::string right = "llama-2-7b,6738415616,6738415616,13476831232,524288,0,13476831232,13214154752\n";
  scratch.write("few.csv", header + right);
  const auto few = scratch.run("models check --expected few.csv --json -");
  ASSERT_EQ(few.code, 0) << few.err << few.out;
  EXPECT_EQ(few.json().at("wrong").get<int>(), 0);
  scratch.write("unknown.csv", header + right + "no-such-model,1,1,2,1,0,2,2\n");
  EXPECT_EQ(scratch.run("models check --expected unknown.csv").code, 1);
  scratch.write("wrong.csv", header + "llama-2-7b,1,6738415616,13476831232,524288,0,13476831232,1\n");
  const auto wrong = scratch.run("models check --expected wrong.csv");
  EXPECT_EQ(wrong.code, 1);
  EXPECT_NE(wrong.out.find("total_params 6738415616 (expected 1)"), std::string::npos) << wrong.out;
}

TEST(CliCheck, OutsideTheTolerancesIsExitCodeOne) {
  const Scratch scratch;
  std::filesystem::copy(kFixtures + "llama-1", scratch.path("llama-1"),
                        std::filesystem::copy_options::recursive);
  scratch.write(
      "tolerances.json",
      R"({"llama-1": {"logits": {"max_abs": 1e-9, "min_cosine": 1.0}, "last_hidden": {"max_abs": 1e-9},
    "layer_hidden_lastpos": {"max_abs": 1e-9}, "top1_agreement": 1.0, "top1_must_match_where_gap_exceeds": 0.1}})");
  const auto run = scratch.run("check llama-1 --dtype bf16 --sockets 1");
  EXPECT_EQ(run.code, 1) << run.err;
  EXPECT_NE(run.out.find("FELL SHORT"), std::string::npos) << run.out;
  EXPECT_NE(run.out.find("max abs error"), std::string::npos);
}

TEST(CliCheck, ATruncatedWeightsFileIsBadInput) {
  const Scratch scratch;
  std::filesystem::copy(kFixtures + "llama-1", scratch.path("llama-1"),
                        std::filesystem::copy_options::recursive);
  std::filesystem::copy(kFixtures + "tolerances.json", scratch.path("tolerances.json"));
  std::filesystem::permissions(scratch.path("llama-1/model.safetensors"), std::filesystem::perms::owner_all);
  std::filesystem::resize_file(scratch.path("llama-1/model.safetensors"), 5000);
  const auto run = scratch.run("check llama-1");
  EXPECT_EQ(run.code, 2);
  EXPECT_NE(run.err.find("model.safetensors"), std::string::npos) << run.err;
}

TEST(CliGenerate, GreedyTokensAreTheReferencesOnes) {
  for (const char* name : {"llama-1", "mistral-1"}) {
    const auto fixture = models::load_fixture(kFixtures + name);
    ASSERT_TRUE(fixture.ok()) << fixture.error().to_string();
    const auto& greedy = fixture->expected.at("seq0.greedy_ids");
    std::vector<int64_t> expected;
    for (const float id : greedy.values) expected.push_back(static_cast<int64_t>(id));
    const auto run =
        Scratch().run(fmt::format("generate {} --prompt-ids {} --tokens {} --dtype fp32 --sockets 2 --json -",
                                  kFixtures + name, fmt::join(fixture->prompts[0], ","), expected.size()));
    ASSERT_EQ(run.code, 0) << run.err;
    EXPECT_EQ(run.json().at("ids").get<std::vector<int64_t>>(), expected) << name;
  }
}

TEST(CliGenerate, AnIdBeyondTheVocabularyIsBadInput) {
  const auto run = Scratch().run("generate " + kFixtures + "llama-1 --prompt-ids 1,100000 --tokens 1");
  EXPECT_EQ(run.code, 2);
  EXPECT_NE(run.err.find("the vocabulary has 257 tokens"), std::string::npos) << run.err;
}

}  // namespace
}  // namespace rdusim
