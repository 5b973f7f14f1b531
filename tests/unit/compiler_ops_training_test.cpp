// Does each operator of a training step compute what its record says? Small cases worked by hand.
#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/op_case.h"

namespace rdusim::compiler {
namespace {

using testing::expect_near;
using testing::OpCase;
using testing::tensor;

// Of y = x w^T with w = [[1, 2], [3, 4], [5, 6]] and dy = [1, 10, 100].
TEST(LinearBack, GradientsByHand) {
  const Tensor dy = tensor(1, 3, {1, 10, 100});
  expect_near(OpCase().input(dy).input(tensor(3, 2, {1, 2, 3, 4, 5, 6})).run(OpKind::kLinearBack), 1, 2,
              {531, 642});
  expect_near(OpCase().input(dy).input(tensor(1, 2, {2, 3})).run(OpKind::kLinearGrad), 3, 2,
              {2, 3, 20, 30, 200, 300});
}

TEST(CrossEntropy, OfEqualLogits) {
  const Tensor logits = tensor(1, 4, {2, 2, 2, 2});
  const Tensor target = tensor(1, 1, {3});
  expect_near(OpCase().input(logits).input(target, DType::kInt32).run(OpKind::kCrossEntropy), 1, 1,
              {std::log(4.0F)});
  expect_near(
      OpCase().input(logits).input(target, DType::kInt32).run(OpKind::kCrossEntropyBack, {{"scale", 2.0}}), 1,
      4, {0.5F, 0.5F, 0.5F, -1.5F});
}

// The same row cut in two: columns 0 and 1 here, 2 and 3, with the target, there.
TEST(CrossEntropy, OfARowInTwoParts) {
  const Tensor half = tensor(1, 2, {2, 2});
  const Tensor target = tensor(1, 1, {3});
  const float part = 2 + std::log(2.0F);
  const Tensor whole = tensor(1, 1, {2 + std::log(4.0F)});
  expect_near(OpCase().input(half).run(OpKind::kLogSumExp), 1, 1, {part});
  expect_near(OpCase().input(tensor(1, 2, {part, part})).run(OpKind::kLogSumExp), 1, 1, {2 + std::log(4.0F)});
  const auto chosen = [&](float first) {
    return OpCase()
        .input(half)
        .input(target, DType::kInt32)
        .input(tensor(1, 1, {first}))
        .run(OpKind::kTargetLogit);
  };
  expect_near(chosen(0), 1, 1, {0});
  expect_near(chosen(2), 1, 1, {2});
  const auto back = [&](float first) {
    return OpCase()
        .input(half)
        .input(target, DType::kInt32)
        .input(whole)
        .input(tensor(1, 1, {first}))
        .run(OpKind::kCrossEntropyBack, {{"scale", 2.0}});
  };
  expect_near(back(0), 1, 2, {0.5F, 0.5F});
  expect_near(back(2), 1, 2, {0.5F, -1.5F});
}

}  // namespace
}  // namespace rdusim::compiler
