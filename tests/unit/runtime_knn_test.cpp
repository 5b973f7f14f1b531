// The k-NN definition, by hand and against the reference vectors in tests/fixtures/runtime/knn-*.
#include "runtime/router/knn.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/io/document.h"
#include "base/io/tensor_file.h"

namespace rdusim::runtime {
namespace {

using testing::HasSubstr;

Tensor tensor(int64_t cols, std::vector<float> values) {
  Tensor t(static_cast<int64_t>(values.size()) / cols, cols);
  t.values = std::move(values);
  return t;
}

KnnIndex index(Tensor vectors, std::vector<int32_t> labels, int32_t classes) {
  auto made = KnnIndex::make(std::move(vectors), std::move(labels), classes);
  EXPECT_TRUE(made.ok()) << made.error().to_string();
  return std::move(made).value();
}

TEST(RuntimeKnn, TiesGoToTheLowestIndexWhateverTheLength) {
  // 0.5 x, 4 x and x point the same way as the query: equal similarities to the last bit.
  const KnnIndex knn = index(tensor(3, {0, 0, 1, 0.5F, 1.5F, 0, 4, 12, 0, 1, 3, 0}), {0, 1, 2, 1}, 3);
  const auto found = knn.nearest(tensor(3, {1, 3, 0}), 3);
  ASSERT_EQ(found[0].size(), 3U);
  EXPECT_EQ(found[0][0].index, 1);
  EXPECT_EQ(found[0][1].index, 2);
  EXPECT_EQ(found[0][2].index, 3);
  EXPECT_EQ(found[0][0].similarity, found[0][2].similarity);
}

TEST(RuntimeKnn, ZeroVectorsHaveSimilarityZero) {
  const KnnIndex knn = index(tensor(2, {0, 0, -1, 0}), {0, 1}, 2);
  const auto found = knn.nearest(tensor(2, {1, 0, 0, 0}), 2);
  EXPECT_EQ(found[0][0].index, 0);  // 0 is nearer than -1
  EXPECT_EQ(found[0][1].similarity, -1.0F);
  EXPECT_EQ(found[1][0].index, 0);  // a zero query: all at 0, by index
  EXPECT_EQ(found[1][1].similarity, 0.0F);
}

TEST(RuntimeKnn, VotesAndEntropy) {
  const KnnIndex knn = index(tensor(1, {1, 1, 1, 1}), {2, 0, 2, 1}, 3);
  const std::vector<Neighbour> near = {{0, 0.9F}, {1, 0.5F}, {2, 0.5F}, {3, -0.2F}};
  const KnnVote uniform = knn.vote(near, 4, VoteWeighting::kUniform);
  EXPECT_EQ(uniform.label, 2);
  EXPECT_DOUBLE_EQ(uniform.probabilities[2], 0.5);
  EXPECT_NEAR(uniform.entropy_nats, 0.5 * std::log(2) + 0.5 * std::log(4), 1e-12);
  const KnnVote distance = knn.vote(near, 2, VoteWeighting::kDistance);  // weights 10 and 2
  EXPECT_NEAR(distance.probabilities[2], 10.0 / 12, 1e-6);
  const KnnVote similarity = knn.vote(near, 4, VoteWeighting::kSimilarity);  // 0.9, 0.5, 0.5, 0
  EXPECT_NEAR(similarity.probabilities[0], 0.5 / 1.9, 1e-6);
  EXPECT_EQ(similarity.probabilities[1], 0);
  EXPECT_EQ(knn.vote(near, 1, VoteWeighting::kUniform).entropy_nats, 0);
}

TEST(RuntimeKnn, TiedVoteGoesToTheLowestClass) {
  const KnnIndex knn = index(tensor(1, {1, 1}), {1, 0}, 2);
  EXPECT_EQ(knn.vote({{0, 0.9F}, {1, 0.8F}}, 2, VoteWeighting::kUniform).label, 0);
}

TEST(RuntimeKnn, NothingAlikeVotesUniformly) {
  const KnnIndex knn = index(tensor(1, {1, 1}), {1, 0}, 2);
  const KnnVote vote = knn.vote({{0, 0.0F}, {1, -0.5F}}, 2, VoteWeighting::kSimilarity);
  EXPECT_DOUBLE_EQ(vote.probabilities[0], 0.5);
}

TEST(RuntimeKnn, BadIndexes) {
  EXPECT_THAT(KnnIndex::make(tensor(2, {1, 2}), {0, 1}, 2).error().what,
              HasSubstr("2 labels for 1 stored vectors"));
  EXPECT_THAT(KnnIndex::make(tensor(2, {1, 2}), {2}, 2).error().what,
              HasSubstr("label 2 is not one of 2 classes"));
  EXPECT_THAT(KnnIndex::make(tensor(2, {1, NAN}), {0}, 1).error().what, HasSubstr("not finite"));
  EXPECT_THAT(KnnIndex::make(Tensor(0, 2), {}, 1).error().what, HasSubstr("no stored vectors"));
}

class KnnFixture : public testing::TestWithParam<std::string> {};

TEST_P(KnnFixture, EqualsTheReference) {
  const std::string folder = std::string(RDUSIM_SOURCE_DIR) + "/tests/fixtures/runtime/" + GetParam() + "/";
  const auto config = read_document(folder + "config.json");
  const auto model = SafetensorsFile::open(folder + "model.safetensors");
  const auto inputs = SafetensorsFile::open(folder + "inputs.safetensors");
  const auto expected = SafetensorsFile::open(folder + "expected.safetensors");
  ASSERT_TRUE(config.ok() && model.ok() && inputs.ok() && expected.ok());
  const auto number = [&](const char* key) { return *(*config->at(key))->as_real(); };
  const auto want = [&](const char* name) { return *expected->read(name); };
  const Tensor labels = *model->read("labels");
  const KnnIndex knn = index(*model->read("embeddings"), {labels.values.begin(), labels.values.end()},
                             static_cast<int32_t>(number("num_experts")));
  const auto k = static_cast<int64_t>(number("k"));
  const auto found = knn.nearest(*inputs->read("queries"), k);
  const Tensor neighbours = want("neighbors");
  const Tensor similarity = want("neighbor_similarity");
  const Tensor uniform = want("probabilities");
  const Tensor weighted = want("probabilities_similarity_weighted");
  ASSERT_EQ(static_cast<int64_t>(found.size()), neighbours.rows());
  for (size_t q = 0; q < found.size(); ++q) {
    const auto row = static_cast<int64_t>(q);
    for (int64_t i = 0; i < k; ++i) {
      EXPECT_EQ(found[q][static_cast<size_t>(i)].index, static_cast<int32_t>(neighbours.at(row, i)));
      EXPECT_NEAR(found[q][static_cast<size_t>(i)].similarity, similarity.at(row, i), 1e-6);
    }
    const KnnVote vote = knn.vote(found[q], k, VoteWeighting::kUniform);
    const KnnVote by_similarity = knn.vote(found[q], k, VoteWeighting::kSimilarity);
    for (int64_t c = 0; c < knn.classes(); ++c) {
      EXPECT_NEAR(vote.probabilities[static_cast<size_t>(c)], static_cast<double>(uniform.at(row, c)), 1e-6);
      EXPECT_NEAR(by_similarity.probabilities[static_cast<size_t>(c)],
                  static_cast<double>(weighted.at(row, c)), 1e-5);
    }
    EXPECT_NEAR(vote.entropy_nats, static_cast<double>(want("entropy").values[q]), 1e-6);
    EXPECT_EQ(vote.label, static_cast<int32_t>(want("voted_expert").values[q]));
    EXPECT_EQ(vote.entropy_nats > number("entropy_threshold"), want("fallback").values[q] > 0.5F);
  }
}

INSTANTIATE_TEST_SUITE_P(References, KnnFixture, testing::Values("knn-1", "knn-2"),
                         [](const auto& fixture) { return fixture.param == "knn-1" ? "Knn1" : "Knn2"; });

}  // namespace
}  // namespace rdusim::runtime
