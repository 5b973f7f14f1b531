// Conversions between FP32 and the two 16-bit formats, by bit manipulation so that they repeat on any
// machine. Rounding is to nearest even; a NaN keeps its sign and top payload bits and gets its quiet bit set.
#include "base/dtype.h"

#include <array>
#include <bit>
#include <utility>

namespace rdusim {
namespace {

constexpr std::array<std::pair<DType, std::string_view>, 5> kNames = {{
    {DType::kBf16, "bf16"},
    {DType::kFp16, "fp16"},
    {DType::kFp32, "fp32"},
    {DType::kInt32, "int32"},
    {DType::kInt64, "int64"},
}};

// value / 2^shift, rounded to nearest even; 0 < shift < 32.
constexpr uint32_t shift_round_even(uint32_t value, uint32_t shift) {
  const uint32_t half = uint32_t{1} << (shift - 1);
  const uint32_t rest = value & ((uint32_t{1} << shift) - 1);
  const uint32_t quotient = value >> shift;
  const bool up = rest > half || (rest == half && (quotient & 1) != 0);
  return quotient + (up ? 1 : 0);
}

}  // namespace

std::string_view dtype_name(DType t) {
  for (const auto& [type, name] : kNames) {
    if (type == t) return name;
  }
  return "?";
}

std::optional<DType> dtype_from_name(std::string_view name) {
  for (const auto& [type, known] : kNames) {
    if (known == name) return type;
  }
  return std::nullopt;
}

uint16_t bf16_bits(float x) {
  const auto bits = std::bit_cast<uint32_t>(x);
  if ((bits & 0x7FFFFFFFU) > 0x7F800000U) return static_cast<uint16_t>((bits >> 16) | 0x0040U);
  // The carry of the rounding may run into the exponent: that is the next power of two, or infinity.
  return static_cast<uint16_t>((bits + 0x7FFFU + ((bits >> 16) & 1U)) >> 16);
}

float bf16_value(uint16_t bits) {
  return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
}

float round_to_bf16(float x) {
  return bf16_value(bf16_bits(x));
}

float fp16_value(uint16_t bits) {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000U) << 16;
  const uint32_t exponent = (bits >> 10) & 0x1FU;
  const uint32_t fraction = bits & 0x3FFU;
  if (exponent == 0x1F) return std::bit_cast<float>(sign | 0x7F800000U | (fraction << 13));
  if (exponent != 0) return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (fraction << 13));
  const float magnitude = static_cast<float>(fraction) * 0x1.0p-24F;  // zero and subnormals, exact
  return sign != 0 ? -magnitude : magnitude;
}

uint16_t fp16_bits(float x) {
  const auto bits = std::bit_cast<uint32_t>(x);
  const uint32_t sign = (bits >> 16) & 0x8000U;
  const uint32_t magnitude = bits & 0x7FFFFFFFU;
  if (magnitude > 0x7F800000U) {
    return static_cast<uint16_t>(sign | 0x7E00U | ((magnitude >> 13) & 0x1FFU));
  }
  if (magnitude >= 0x477FF000U)
    return static_cast<uint16_t>(sign | 0x7C00U);  // 65520 and more round to infinity
  if (magnitude >= 0x38800000U) {                  // normal: 2^-14 and more
    return static_cast<uint16_t>(sign | (shift_round_even(magnitude, 13) - (112U << 10)));
  }
  if (magnitude < 0x33000000U) return static_cast<uint16_t>(sign);  // below 2^-25: rounds to zero
  const uint32_t exponent = magnitude >> 23;
  const uint32_t significand = (magnitude & 0x7FFFFFU) | 0x800000U;
  return static_cast<uint16_t>(sign | shift_round_even(significand, 126 - exponent));
}

}  // namespace rdusim
