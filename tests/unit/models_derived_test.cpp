// Derived tensors: packed projections cut apart, experts interleaved, biases by distance, and names that do
// not fit.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "models/derived.h"
#include "models/image.h"

namespace rdusim::models {
namespace {

using ::testing::ElementsAre;

Tensor tensor(Shape shape, std::vector<float> values) {
  Tensor t;
  t.shape = std::move(shape);
  t.values = std::move(values);
  return t;
}

Result<Tensor> derived(const std::string& source, const Tensor& stored) {
  auto result = derive(source, [&](const std::string&) -> Result<Tensor> { return stored; });
  return result ? std::move(*result)
                : Result<Tensor>(Error{ErrorCode::kNotFound, source, "is not derived", ""});
}

std::vector<float> values(const std::string& source, const Tensor& stored) {
  const Result<Tensor> t = derived(source, stored);
  EXPECT_TRUE(t.ok()) << t.error().to_string();
  return t.ok() ? t->values : std::vector<float>{};
}

TEST(Derived, PartsOfAPackedProjection) {
  const Tensor packed = tensor({{6, 1}}, {0, 1, 2, 3, 4, 5});  // two groups of [q q k]
  EXPECT_THAT(values(part_source("t", 0, 2, 3), packed), ElementsAre(0, 1, 3, 4));
  EXPECT_THAT(values(part_source("t", 2, 1, 3), packed), ElementsAre(2, 5));
  const Tensor bias = tensor({{6}}, {0, 1, 2, 3, 4, 5});
  EXPECT_EQ(derived(part_source("t", 2, 1, 3), bias)->shape, (Shape{{1, 2}}));
  EXPECT_FALSE(derived(part_source("t", 2, 2, 3), packed).ok());
  EXPECT_FALSE(derived(part_source("t", 0, 2, 4), packed).ok());
}

TEST(Derived, OtherShapesAndValues) {
  const Tensor t = tensor({{2, 1, 2}}, {1, 2, 3, 4});
  EXPECT_THAT(values(transposed_source("t"), t), ElementsAre(1, 3, 2, 4));
  EXPECT_EQ(derived(matrix_source("t"), t)->shape, (Shape{{2, 2}}));
  EXPECT_THAT(values(plus_one_source("t"), t), ElementsAre(2, 3, 4, 5));
  EXPECT_FLOAT_EQ(values(decay_source("t"), t)[1], -std::exp(3.0F));
}

TEST(Derived, ExpertsAreInterleavedByRow) {
  const Tensor packed = tensor({{4, 2}}, {0, 1, 2, 3, 10, 11, 12, 13});  // two experts of two rows
  EXPECT_THAT(values(packed_experts_source("t", 2, false), packed), ElementsAre(0, 1, 10, 11, 2, 3, 12, 13));
  EXPECT_THAT(values(packed_experts_source("t", 2, true), packed), ElementsAre(0, 2, 10, 12, 1, 3, 11, 13));
  EXPECT_FALSE(derived(packed_experts_source("t", 3, false), packed).ok());
}

// 8 heads: slopes 1/2 ... 1/256. 6 heads: those of 4 heads, then every other one of 8.
TEST(Derived, AlibiSlopes) {
  const std::vector<float> eight = values(alibi_source(8, 2), {});
  EXPECT_FLOAT_EQ(eight[1], -0.5F);
  EXPECT_FLOAT_EQ(eight[15], -1.0F / 256);
  const std::vector<float> six = values(alibi_source(6, 2), {});
  EXPECT_FLOAT_EQ(six[1], -0.25F);
  EXPECT_FLOAT_EQ(six[9], -0.5F);
  EXPECT_FLOAT_EQ(six[11], -0.125F);
}

// 4 buckets up to distance 8: 0 and 1 have their own, 2 to 3 share one, 4 and more the last.
TEST(Derived, RelativeBuckets) {
  const Tensor table = tensor({{4, 1}}, {0, 1, 2, 3});
  EXPECT_THAT(values(relative_bias_source("t", 8, 9), table), ElementsAre(0, 1, 2, 2, 3, 3, 3, 3, 3));
}

// Root, its children 1 and 2, and 3 below 1.
TEST(Derived, TreeMask) {
  EXPECT_THAT(values(tree_mask_source({0, 0, 1}), {}),
              ElementsAre(1, 0, 0, 0, 1, 1, 0, 0, 1, 0, 1, 0, 1, 1, 0, 1));
  EXPECT_FALSE(derived("tree_mask?parents=3", {}).ok());
}

TEST(Derived, OtherNamesAreNotDerived) {
  EXPECT_FALSE(
      derive("model.norm.weight", [](const std::string&) { return Result<Tensor>(Tensor()); }).has_value());
  EXPECT_FALSE(derived("part?of=t&begin=0", tensor({{2, 1}}, {0, 1})).ok());
  EXPECT_FALSE(derived("part?of=t&begin=0&count=x&period=2", tensor({{2, 1}}, {0, 1})).ok());
}

// One channel, 4 x 4 in patches of 2, numbered row by row.
TEST(Image, PatchesAfterARowOfZeros) {
  std::vector<float> pixels;
  for (int i = 0; i < 16; ++i) pixels.push_back(static_cast<float>(i));
  const Result<Tensor> rows = patch_rows(tensor({{1, 1, 4, 4}}, pixels), 2);
  ASSERT_TRUE(rows.ok());
  EXPECT_THAT(rows->values, ElementsAre(0, 0, 0, 0, 0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15));
  EXPECT_FALSE(patch_rows(tensor({{1, 1, 4, 4}}, pixels), 3).ok());
}

}  // namespace
}  // namespace rdusim::models
