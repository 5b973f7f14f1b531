// Number formats of stored tensors and of tokens on channels. Arithmetic inside a unit is always FP32.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace rdusim {

enum class DType : uint8_t { kBf16, kFp16, kFp32, kInt32, kInt64 };

constexpr int64_t dtype_bytes(DType t) {
  switch (t) {
    case DType::kBf16:
    case DType::kFp16:
      return 2;
    case DType::kFp32:
    case DType::kInt32:
      return 4;
    case DType::kInt64:
      return 8;
  }
  return 0;
}

std::string_view dtype_name(DType t);                         // "bf16", "fp16", "fp32", "int32", "int64"
std::optional<DType> dtype_from_name(std::string_view name);  // absent: unknown

// Round to nearest even, as the chip's convert stage does. NaN stays NaN (quiet).
float round_to_bf16(float x);
uint16_t bf16_bits(float x);
float bf16_value(uint16_t bits);
float fp16_value(uint16_t bits);
uint16_t fp16_bits(float x);

}  // namespace rdusim
