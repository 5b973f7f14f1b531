// Embedder, training rule, evaluation, router file: on small sets of our own.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <set>

#include "base/random.h"
#include "runtime/repeatable_math.h"
#include "runtime/router/eval.h"
#include "runtime/router/features.h"
#include "runtime/router/router.h"
#include "runtime/router/subspace.h"
#include "runtime/router/train.h"

namespace rdusim::runtime {
namespace {

using testing::HasSubstr;

std::string prompts(const std::string& file) {
  return std::string(RDUSIM_SOURCE_DIR) + "/configs/prompts/" + file;
}

LabelledSet read_set(const std::string& file) {
  auto rows = read_labelled_prompts(prompts(file));
  EXPECT_TRUE(rows.ok()) << rows.error().to_string();
  return {file, std::move(rows).value(), std::nullopt};
}

// Our own prompts: trained on two thirds, k and T on the rest.
struct Sets {
  LabelledSet train;
  LabelledSet validation;
};
Sets own_sets() {
  auto [train, held] = hold_out(read_set("router_train.jsonl").rows, 3);
  return {{"train", std::move(train), std::nullopt}, {"held out", std::move(held), std::nullopt}};
}

RouterTrainingOptions four_kinds() {
  RouterTrainingOptions options;
  options.classes = {{"a", {"math"}}, {"b", {"code"}}, {"c", {"writing"}}, {"d", {"medical"}}};
  return options;
}

RouterTraining trained(const Sets& sets, const RouterTrainingOptions& options) {
  auto training = train_router(sets.train, sets.validation, options);
  EXPECT_TRUE(training.ok()) << training.error().to_string();
  return std::move(training).value();
}

TEST(RuntimeRepeatableMath, AgreesWithLibm) {
  Random random(3);
  for (int i = 0; i < 20'000; ++i) {
    const double x = std::exp((random.uniform() - 0.5) * 1000);
    EXPECT_NEAR(repeatable_log(x), std::log(x), 1e-14 * std::max(1.0, std::abs(std::log(x))));
    const double y = (random.uniform() - 0.5) * 1200;
    EXPECT_NEAR(repeatable_exp(y) / std::exp(y), 1, 1e-12);
  }
  EXPECT_EQ(repeatable_log(1), 0);
  EXPECT_EQ(repeatable_exp(0), 1);
}

TEST(RuntimeFeatures, CaseAndDigitsFold) {
  const auto a = text_features("Add 17 apples");
  const auto b = text_features("add 42 APPLES");
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) EXPECT_EQ(a[i].hash, b[i].hash);
}

TEST(RuntimeFeatures, WordsPairsAndGrams) {
  int words = 0;
  int grams = 0;
  for (const FeatureCount& f : text_features("to be to be")) {
    (f.family == FeatureFamily::kWord ? words : grams) += static_cast<int>(f.count);
  }
  EXPECT_EQ(words, 4 + 3);            // four words, three pairs
  EXPECT_EQ(grams, 4 * (3 + 2 + 1));  // " to ": three 2-grams, two 3-grams, one 4-gram
}

TEST(RuntimeFeatures, NothingInNothingOut) {
  EXPECT_TRUE(text_features("").empty());
  EXPECT_TRUE(text_features(" \n\t ").empty());
  EXPECT_FALSE(text_features("这座桥").empty());
}

TEST(RuntimeSubspace, FindsTheSingularSpaceOfADiagonalMatrix) {
  SparseRows matrix;
  matrix.cols = 50;
  for (int32_t i = 0; i < 40; ++i) {
    matrix.columns.push_back(i);
    matrix.values.push_back(static_cast<float>(40 - i));
    matrix.row_begin.push_back(i + 1);
  }
  const SingularSpace space = leading_singular_space(matrix, 3, 20, 1);
  ASSERT_EQ(space.dimensions, 3);
  for (size_t d = 0; d < 3; ++d) {
    EXPECT_NEAR(space.singular_values[d], 40.0 - static_cast<double>(d), 1e-3);
    EXPECT_NEAR(std::abs(space.vectors[d * 3 + d]), 1, 1e-3);
  }
}

TEST(RuntimeSubspace, RankLimitsTheDimensions) {
  SparseRows matrix;
  matrix.cols = 10;
  for (int r = 1; r <= 30; ++r) {  // rank one
    matrix.columns.insert(matrix.columns.end(), {2, 7});
    matrix.values.insert(matrix.values.end(), {1.0F * static_cast<float>(r), 2.0F * static_cast<float>(r)});
    matrix.row_begin.push_back(2 * r);
  }
  EXPECT_EQ(leading_singular_space(matrix, 5, 3, 1).dimensions, 1);
}

TEST(RuntimeEmbedder, UnitVectorsAndZeroForTheUnknown) {
  const Sets sets = own_sets();
  std::vector<std::string> texts;
  for (const auto& row : sets.train.rows) texts.push_back(row.text);
  const auto embedder = Embedder::train(texts, {});
  ASSERT_TRUE(embedder.ok());
  const Tensor v = embedder->embed({texts[0], "", "Write a poem about a river."});
  for (const int64_t row : {0, 2}) {
    double norm2 = 0;
    for (int64_t d = 0; d < v.cols(); ++d)
      norm2 += static_cast<double>(v.at(row, d)) * static_cast<double>(v.at(row, d));
    EXPECT_NEAR(norm2, 1, 1e-5);
  }
  for (int64_t d = 0; d < v.cols(); ++d) EXPECT_EQ(v.at(1, d), 0.0F);
}

TEST(RuntimeEmbedder, BadInput) {
  EXPECT_THAT(Embedder::train({}, {}).error().what, HasSubstr("no training texts"));
  EXPECT_THAT(Embedder::train({"abc", "xyz"}, {}).error().what, HasSubstr("share no features"));
  EmbedderOptions options;
  options.word_share = 2;
  EXPECT_THAT(Embedder::train({"a", "a"}, options).error().what, HasSubstr("out of range"));
}

TEST(RuntimeRouter, ThresholdIsTheSmallestWithinTheLoss) {
  // Ten known rows, right but for the last; entropies 0.0 ... 0.9. Unknown: 0.25, 0.65, 0.95, 0.95.
  std::vector<std::pair<double, bool>> known;
  for (int i = 0; i < 10; ++i) known.emplace_back(i / 10.0, i != 9);
  const std::vector<double> unknown = {0.25, 0.65, 0.95, 0.95};
  const ThresholdChoice none = *choose_threshold(known, unknown, 0.9, 5);
  EXPECT_DOUBLE_EQ(none.fallback_rate, 0.5);                // above 0.8, the last right row: both 0.95
  EXPECT_DOUBLE_EQ(none.threshold_nats, (0.9 + 0.95) / 2);  // of equal gains the largest T
  EXPECT_DOUBLE_EQ(none.detection_rate, 0.9);
  const ThresholdChoice some = *choose_threshold(known, unknown, 0.69, 5);
  EXPECT_DOUBLE_EQ(some.fallback_rate, 0.75);
  EXPECT_DOUBLE_EQ(some.threshold_nats, (0.6 + 0.65) / 2);
  EXPECT_DOUBLE_EQ(some.detection_rate, 0.7);
  EXPECT_DOUBLE_EQ(choose_threshold(known, {}, 0.5, 5)->threshold_nats, 5);
  EXPECT_FALSE(choose_threshold(known, unknown, 0.91, 5).has_value());
}

TEST(RuntimeRouter, OwnPromptsTrainARouterThatKnowsAndDoubts) {
  const RouterTraining training = trained(own_sets(), four_kinds());
  EXPECT_EQ(training.stored_vectors, 349);  // two thirds of the rows of four labels
  const auto e = evaluate_router(training.router, read_set("demo.jsonl"));
  ASSERT_TRUE(e.ok());
  EXPECT_EQ(e->rows, 59);
  EXPECT_EQ(e->known_rows, 28);
  EXPECT_GE(e->accuracy_without_fallback, 0.9);
  ASSERT_TRUE(e->auroc_unknown.has_value());
  EXPECT_GT(*e->auroc_unknown, 0.7);
  EXPECT_GT(e->fallback_rate_unknown, e->fallback_rate_known);
  int64_t rows = 0;
  for (const LabelEvaluation& label : e->per_label) rows += label.rows;
  EXPECT_EQ(rows, e->rows);
  int64_t binned = 0;
  for (size_t i = 0; i < e->entropy.known.size(); ++i) binned += e->entropy.known[i] + e->entropy.unknown[i];
  EXPECT_EQ(binned, e->rows);
}

TEST(RuntimeRouter, WithoutABaseExpertNothingFallsBack) {
  RouterTrainingOptions options = four_kinds();
  options.fall_back = false;
  const RouterTraining training = trained(own_sets(), options);
  const auto e = evaluate_router(training.router, read_set("demo.jsonl"));
  EXPECT_EQ(e->fallback_rate, 0);
  EXPECT_EQ(e->accuracy, e->accuracy_without_fallback);
}

TEST(RuntimeRouter, TheFileReadsBackAndRepeats) {
  const Router router = trained(own_sets(), four_kinds()).router;
  const std::string bytes = router.to_bytes();
  EXPECT_EQ(bytes, trained(own_sets(), four_kinds()).router.to_bytes());
  const std::string path = testing::TempDir() + "/runtime_router_test.rdurouter";
  ASSERT_TRUE(save_router(router, path).ok());
  const auto again = load_router(path);
  ASSERT_TRUE(again.ok()) << again.error().to_string();
  EXPECT_EQ(again->to_bytes(), bytes);
  std::filesystem::remove(path);
  const std::vector<std::string> texts = {"What is 3 + 4?", "Write a poem."};
  const auto a = router.route(texts);
  const auto b = again->route(texts);
  for (size_t i = 0; i < texts.size(); ++i) EXPECT_EQ((*a)[i].entropy_nats, (*b)[i].entropy_nats);
}

TEST(RuntimeRouter, DamagedFilesAreErrors) {
  const std::string bytes = trained(own_sets(), four_kinds()).router.to_bytes();
  const auto what = [](const std::string& content) { return Router::from_bytes(content, "f").error().what; };
  EXPECT_EQ(what(""), "not a router file");
  EXPECT_THAT(what(bytes.substr(0, 10)), HasSubstr("the file ends inside the version"));
  EXPECT_THAT(what(bytes.substr(0, bytes.size() - 1)), HasSubstr("its header says"));
  std::string changed = bytes;
  changed[bytes.size() / 2] = static_cast<char>(changed[bytes.size() / 2] ^ 1);
  EXPECT_THAT(what(changed), HasSubstr("checksum does not match"));
  changed = bytes;
  changed[8] = 9;
  EXPECT_THAT(what(changed), HasSubstr("router file version 9, this program reads 1"));
}

TEST(RuntimeRouter, EmbeddingsFromElsewhere) {
  const auto rows = [](const std::vector<std::pair<std::string, std::string>>& given) {
    std::vector<LabelledPrompt> out;
    for (const auto& [label, text] : given) out.push_back({"", "", label, text});
    return out;
  };
  LabelledSet train{"train", rows({{"x", "1"}, {"y", "2"}, {"x", "3"}}), Tensor(3, 2)};
  train.embeddings->values = {1, 0, 0, 1, 1, 0.1F};
  LabelledSet validation{"validation", rows({{"x", "4"}, {"y", "5"}}), Tensor(2, 2)};
  validation.embeddings->values = {1, 0.05F, 0.1F, 1};
  RouterTrainingOptions options;
  options.classes = {{"X", {"x"}}, {"Y", {"y"}}};
  options.k_grid = {1};
  const auto training = train_router(train, validation, options);
  ASSERT_TRUE(training.ok()) << training.error().to_string();
  EXPECT_EQ(training->k_trials[0].accuracy, 1);
  EXPECT_EQ(*training->router.route(*validation.embeddings)->at(1).expert_class, 1);
  EXPECT_THAT(training->router.route(std::vector<std::string>{"text"}).error().what,
              HasSubstr("cannot embed text"));
  EXPECT_THAT(training->router.route(Tensor(1, 3)).error().what,
              HasSubstr("3 dimensions, the stored vectors 2"));

  validation.embeddings->shape.dims[0] = 1;
  EXPECT_THAT(train_router(train, validation, options).error().what, HasSubstr("2 rows but 1 embeddings"));
  validation.embeddings.reset();
  EXPECT_THAT(train_router(train, validation, options).error().what, HasSubstr("one of the two splits only"));
}

TEST(RuntimeRouter, BadTrainingInput) {
  const Sets sets = own_sets();
  RouterTrainingOptions options = four_kinds();
  options.classes.push_back({"poet", {"sonnets"}});
  EXPECT_THAT(train_router(sets.train, sets.validation, options).error().what,
              HasSubstr("no row has a label of expert poet (sonnets)"));
  options = four_kinds();
  options.k_grid = {0};
  EXPECT_THAT(train_router(sets.train, sets.validation, options).error().what,
              HasSubstr("k must be at least 1"));
  options = four_kinds();
  options.max_detection_loss = 1.5;
  EXPECT_THAT(train_router(sets.train, sets.validation, options).error().what, HasSubstr("between 0 and 1"));
  options.classes.clear();
  EXPECT_THAT(train_router(sets.train, sets.validation, options).error().what,
              HasSubstr("no expert serves a label"));
  EXPECT_THAT(read_embeddings("a.txt").error().what, HasSubstr(".npy or .safetensors"));
}

TEST(RuntimeRouter, AurocCountsTiesHalf) {
  EXPECT_DOUBLE_EQ(auroc({1, 2}, {0, 0.5}), 1);
  EXPECT_DOUBLE_EQ(auroc({0, 1}, {0, 1}), 0.5);
  EXPECT_DOUBLE_EQ(auroc({1}, {0, 1, 2, 3}), 0.375);
}

TEST(RuntimePrompts, DemoAndTrainingShareNoText) {
  std::set<std::string> texts;
  for (const auto& row : read_set("router_train.jsonl").rows)
    EXPECT_TRUE(texts.insert(row.text).second) << row.text;
  for (const auto& row : read_set("demo.jsonl").rows) EXPECT_TRUE(texts.insert(row.text).second) << row.text;
}

TEST(RuntimePrompts, BadRowsSayWhere) {
  const auto error = [](const std::string& text) { return parse_labelled_prompts(text, "p.jsonl").error(); };
  const std::string good = R"({"label": "a", "text": "b"})"
                           "\n";
  EXPECT_EQ(error(good + R"({"label": "a"})").where, "p.jsonl:2:1");
  EXPECT_THAT(error(good + R"({"label": "a"})").what, HasSubstr("text"));
  EXPECT_EQ(error(good + "\n" + R"({"label": "", "text": "b"})").where, "p.jsonl:3:11");
  EXPECT_THAT(error(R"({"label": "a", "text": ""})").what, HasSubstr("text is empty"));
  EXPECT_THAT(error(R"({"lable": "a", "text": "b"})").hint, HasSubstr("did you mean 'label'?"));
  EXPECT_THAT(error("[1]").what, HasSubstr("not a JSON object"));
  EXPECT_EQ(error(good + "{\"label\": ").where.substr(0, 10), "p.jsonl:2:");
  EXPECT_THAT(error("\n\n").what, HasSubstr("no rows"));
}

}  // namespace
}  // namespace rdusim::runtime
