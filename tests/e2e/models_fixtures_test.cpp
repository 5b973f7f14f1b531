// Do the graphs compute what the reference models compute? Every fixture of the supported families, through
// the reference interpreter, in BF16 and in FP32.
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <tuple>

#include "models/fixture.h"

namespace rdusim::models {
namespace {

Fixture fixture(const std::string& name) {
  Result<Fixture> loaded = load_fixture(std::string(RDUSIM_SOURCE_DIR) + "/tests/fixtures/models/" + name);
  if (!loaded.ok()) throw std::runtime_error(loaded.error().to_string());
  return std::move(loaded).value();
}

FixtureReport check(const Fixture& loaded, const FixtureOptions& options) {
  Result<FixtureReport> report = check_fixture(loaded, options, interpreter_executor(loaded.weights));
  if (!report.ok()) throw std::runtime_error(report.error().to_string());
  return std::move(report).value();
}

std::string text(const FixtureReport& report) {
  std::string all;
  for (const std::string& failure : report.failures) all += failure + "\n";
  return all;
}

class EveryFixture : public testing::TestWithParam<std::tuple<std::string, DType>> {};

TEST_P(EveryFixture, PassesOnTheInterpreter) {
  const auto& [name, dtype] = GetParam();
  const Fixture loaded = fixture(name);
  const FixtureReport report = check(loaded, {.activations = dtype});
  EXPECT_TRUE(report.passed) << text(report);
  EXPECT_GE(report.compared_tensors, 2);
  RecordProperty("max_abs_error", std::to_string(report.max_abs_error));
  RecordProperty("min_cosine", std::to_string(report.min_cosine));
  RecordProperty("top1_agreement", std::to_string(report.top1_agreement));
}

INSTANTIATE_TEST_SUITE_P(
    Models, EveryFixture,
    testing::Combine(testing::Values("llama-1", "llama-2", "mistral-1", "mistral-2", "falcon-1", "falcon-2",
                                     "bloom-1", "bloom-2", "mixtral-1", "mixtral-2", "dbrx-1", "dbrx-2",
                                     "grok-1", "grok-2", "mamba-1", "mamba-2", "samba-1", "samba-2",
                                     "medusa-1", "medusa-2", "gemma2-1", "gemma2-2", "qwen2-1", "qwen2-2",
                                     "qwen3-1", "qwen3-2", "qwen3moe-1", "qwen3moe-2", "clip-1", "clip-2",
                                     "llava-1", "llava-2", "pix2struct-1", "pix2struct-2", "e5-1", "e5-2",
                                     "knn-1", "knn-2"),
                     testing::Values(DType::kBf16, DType::kFp32)),
    [](const auto& test) {
      std::string name = std::get<0>(test.param);
      name.erase(name.find('-'), 1);
      return name + "_" + std::string(dtype_name(std::get<1>(test.param)));
    });

TEST(HiddenStates, DoNotChangeTheLogits) {
  const Fixture loaded = fixture("llama-2");
  const auto execute = interpreter_executor(loaded.weights);
  const Result<TensorMap> with = run_fixture(loaded, {.expose_hidden = true}, execute);
  const Result<TensorMap> without = run_fixture(loaded, {.expose_hidden = false}, execute);
  ASSERT_TRUE(with.ok() && without.ok());
  EXPECT_EQ(with->at("seq1.decode_logits").values, without->at("seq1.decode_logits").values);
  EXPECT_FALSE(without->contains("seq1.last_hidden"));
}

// The comparer must see what is wrong: an executor that shifts every logit, one that swaps the experts, one
// that returns NaN.
TEST(Comparer, SeesWrongResults) {
  const Fixture loaded = fixture("llama-1");
  Result<TensorMap> results = run_fixture(loaded, {}, interpreter_executor(loaded.weights));
  ASSERT_TRUE(results.ok());
  TensorMap shifted = *results;
  for (float& x : shifted.at("seq0.decode_logits").values) x += 1;
  EXPECT_FALSE(compare_fixture(loaded, DType::kBf16, shifted)->passed);
  TensorMap not_a_number = *results;
  not_a_number.at("seq0.prompt_logits").values[3] = std::nanf("");
  EXPECT_FALSE(compare_fixture(loaded, DType::kBf16, not_a_number)->passed);
  EXPECT_FALSE(compare_fixture(loaded, DType::kBf16, {})->passed);
  EXPECT_FALSE(compare_fixture(loaded, DType::kFp32, *results)->passed) << "BF16 results are not within 1e-3";
}

TEST(Comparer, RouterDecisionsAreExact) {
  const Fixture loaded = fixture("knn-1");
  Result<TensorMap> results = run_fixture(loaded, {}, interpreter_executor(loaded.weights));
  ASSERT_TRUE(results.ok());
  TensorMap other = *results;
  other.at("expert").values[0] += 1;
  const FixtureReport report = *compare_fixture(loaded, DType::kFp32, other);
  EXPECT_FALSE(report.passed);
  EXPECT_LT(report.top1_agreement, 1);
}

TEST(FixtureFolder, MissingFileIsAnError) {
  const Result<Fixture> loaded = load_fixture("/nowhere/llama-9");
  ASSERT_FALSE(loaded.ok());
  EXPECT_NE(loaded.error().to_string().find("config.json"), std::string::npos) << loaded.error().to_string();
}

}  // namespace
}  // namespace rdusim::models
