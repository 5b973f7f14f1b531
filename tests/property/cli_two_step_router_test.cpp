// The router in two steps gives each query the expert of the category that the router in one step votes for,
// through the reference interpreter and through the chip.
#include <gtest/gtest.h>

#include <fmt/format.h>

#include "base/io/file.h"
#include "cli/chip_runner.h"
#include "models/fixture.h"
#include "tests/support/small_chip.h"

namespace rdusim::cli {
namespace {

const std::string kFixtures = std::string(RDUSIM_SOURCE_DIR) + "/tests/fixtures/models/";
const std::vector<float> kExperts = {7, 3, 3, 12};

Result<std::unique_ptr<models::Model>> two_step_model(const std::string& experts) {
  RDU_ASSIGN(std::string config, read_text_file(kFixtures + "knn-1/config.json"));
  config.insert(config.find('{') + 1, fmt::format("\"category_experts\": {},", experts));
  RDU_ASSIGN(const DocumentNode document, read_json_text(config, "config.json"));
  return models::make_model("two-step", document);
}

TEST(TwoStepRouter, ChoosesTheExpertOfTheCategory) {
  auto fixture = models::load_fixture(kFixtures + "knn-1");
  ASSERT_TRUE(fixture.ok()) << fixture.error().to_string();
  auto model = two_step_model("[7, 3, 3, 12]");
  ASSERT_TRUE(model.ok()) << model.error().to_string();
  models::GraphRequest request;
  request.phase = models::Phase::kRoute;
  request.query_tokens = fixture->queries.rows();
  auto one_step = fixture->model->build(request);
  auto two_steps = (*model)->build(request);
  ASSERT_TRUE(one_step.ok() && two_steps.ok()) << two_steps.error().to_string();
  const models::TensorMap inputs = {{"queries", fixture->queries}};
  models::TensorMap caches;
  const auto interpreter = models::interpreter_executor(fixture->weights);
  auto voted = interpreter(*one_step, inputs, caches);
  ASSERT_TRUE(voted.ok()) << voted.error().to_string();
  const NodeSpec node = rdusim::testing::small_node(1);
  ChipRunner chip(node, node.stacks[0], {}, fixture->weights);
  for (const auto& executor : {interpreter, chip.executor()}) {
    auto outputs = executor(*two_steps, inputs, caches);
    ASSERT_TRUE(outputs.ok()) << outputs.error().to_string();
    const Tensor& category = outputs->at("category");
    EXPECT_EQ(category.values, voted->at("expert").values);
    for (size_t i = 0; i < category.values.size(); ++i)
      EXPECT_EQ(outputs->at("expert").values[i], kExperts[static_cast<size_t>(category.values[i])]);
  }
}

TEST(TwoStepRouter, EveryCategoryNeedsAnExpert) {
  const auto model = two_step_model("[7, 3]");
  ASSERT_FALSE(model.ok());
  EXPECT_NE(model.error().what.find("no list of 4 experts"), std::string::npos);
  EXPECT_FALSE(two_step_model("[7, 3, 3, -1]").ok());
}

}  // namespace
}  // namespace rdusim::cli
