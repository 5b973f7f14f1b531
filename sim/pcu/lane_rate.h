// How many elements of a number format one vector of a PCU carries, and what they cost in the body.
//
// Lanes are 16 bits wide: SN10's PCU is published both as 16 lanes of 32 bits (ICPE) and as a 32-wide array
// of BF16 (DFModel), so two lanes make one of 32 bits. INT8: published as a format (Hot Chips 2024) without a
// rate; assumed: one a lane, as BF16. A multiply-accumulate takes one cycle in every format (assumed:
// pipelined, and no lower rate is published).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace rdusim::sim {

enum class NumberFormat : uint8_t { kBf16, kFp32, kInt32, kInt8 };

constexpr int64_t format_bytes(NumberFormat f) {
  switch (f) {
    case NumberFormat::kBf16:
      return 2;
    case NumberFormat::kFp32:
    case NumberFormat::kInt32:
      return 4;
    case NumberFormat::kInt8:
      break;
  }
  return 1;
}

// Elements that work side by side on `lanes` 16-bit lanes; at least 1.
constexpr int64_t lanes_of(NumberFormat f, int64_t lanes) {
  const int64_t wide = format_bytes(f) > 2 ? lanes / 2 : lanes;
  return wide < 1 ? 1 : wide;
}

constexpr std::string_view format_name(NumberFormat f) {
  switch (f) {
    case NumberFormat::kBf16:
      return "bf16";
    case NumberFormat::kFp32:
      return "fp32";
    case NumberFormat::kInt32:
      return "int32";
    case NumberFormat::kInt8:
      break;
  }
  return "int8";
}

inline constexpr NumberFormat kNumberFormats[] = {NumberFormat::kBf16, NumberFormat::kFp32,
                                                  NumberFormat::kInt32, NumberFormat::kInt8};

constexpr std::optional<NumberFormat> format_from_name(std::string_view name) {
  for (const NumberFormat f : kNumberFormats) {
    if (format_name(f) == name) return f;
  }
  return std::nullopt;
}

}  // namespace rdusim::sim
