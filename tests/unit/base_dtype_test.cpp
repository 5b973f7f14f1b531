// 16-bit formats: every bit pattern survives a round trip, and rounding is to nearest even at the half-way
// points.
#include "base/dtype.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace rdusim {
namespace {

TEST(Dtype, EveryFp16PatternRoundTrips) {
  for (uint32_t bits = 0; bits <= 0xFFFF; ++bits) {
    const float value = fp16_value(static_cast<uint16_t>(bits));
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(fp16_value(fp16_bits(value)))) << bits;
    } else {
      ASSERT_EQ(fp16_bits(value), bits);
    }
  }
}

TEST(Dtype, EveryBf16PatternRoundTrips) {
  for (uint32_t bits = 0; bits <= 0xFFFF; ++bits) {
    const float value = bf16_value(static_cast<uint16_t>(bits));
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(round_to_bf16(value))) << bits;
    } else {
      ASSERT_EQ(bf16_bits(value), bits);
    }
  }
}

// Between neighbours of a 16-bit format the nearer one wins, and the even one at the middle.
template <typename Bits, typename Value>
void expect_nearest_even(Bits to_bits, Value to_value, uint32_t last_finite) {
  for (uint32_t low = 0; low < last_finite; ++low) {
    const double a = to_value(static_cast<uint16_t>(low));
    const double b = to_value(static_cast<uint16_t>(low + 1));
    const auto middle = static_cast<float>((a + b) / 2);  // exact: FP32 has bits to spare
    ASSERT_EQ(to_bits(middle), low + (low & 1)) << low;
    ASSERT_EQ(to_bits(std::nextafter(middle, 0.0F)), low) << low;
    ASSERT_EQ(to_bits(std::nextafter(middle, std::numeric_limits<float>::infinity())), low + 1) << low;
  }
}

TEST(Dtype, Fp16RoundsToNearestEven) {
  expect_nearest_even(fp16_bits, fp16_value, 0x7BFF);
}

TEST(Dtype, Bf16RoundsToNearestEven) {
  // The lowest patterns are FP32 subnormals, whose middles are representable too.
  expect_nearest_even(bf16_bits, bf16_value, 0x7F7F);
}

TEST(Dtype, OverflowIsInfinity) {
  EXPECT_EQ(fp16_bits(65519.996F), 0x7BFF);
  EXPECT_EQ(fp16_bits(65520.0F), 0x7C00);
  EXPECT_EQ(fp16_bits(-1e30F), 0xFC00);
  EXPECT_EQ(bf16_bits(std::numeric_limits<float>::max()), 0x7F80);
}

TEST(Dtype, NamesRoundTrip) {
  for (const DType type : {DType::kBf16, DType::kFp16, DType::kFp32, DType::kInt32, DType::kInt64}) {
    EXPECT_EQ(dtype_from_name(dtype_name(type)), type);
  }
  EXPECT_FALSE(dtype_from_name("fp8").has_value());
}

}  // namespace
}  // namespace rdusim
