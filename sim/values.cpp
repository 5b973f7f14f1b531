#include "sim/values.h"

#include <cmath>
#include <cstring>

namespace rdusim::sim {

namespace {

template <typename T>
T read(const uint8_t* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof value);
  return value;
}

template <typename T>
void put(uint8_t* bytes, T value) {
  std::memcpy(bytes, &value, sizeof value);
}

}  // namespace

Values rounded_to(const Values& values, DType dtype) {
  if (dtype != DType::kBf16 && dtype != DType::kFp16)
    return values;  // units compute in FP32; integers are whole
  std::vector<float> out(*values);
  for (float& x : out) x = dtype == DType::kBf16 ? round_to_bf16(x) : fp16_value(fp16_bits(x));
  return std::make_shared<const std::vector<float>>(std::move(out));
}

float decode(const uint8_t* bytes, DType dtype) {
  switch (dtype) {
    case DType::kBf16:
      return bf16_value(read<uint16_t>(bytes));
    case DType::kFp16:
      return fp16_value(read<uint16_t>(bytes));
    case DType::kFp32:
      return read<float>(bytes);
    case DType::kInt32:
      return static_cast<float>(read<int32_t>(bytes));
    case DType::kInt64:
      return static_cast<float>(read<int64_t>(bytes));
  }
  return 0;
}

void encode(float value, uint8_t* bytes, DType dtype) {
  switch (dtype) {
    case DType::kBf16:
      return put(bytes, bf16_bits(value));
    case DType::kFp16:
      return put(bytes, fp16_bits(value));
    case DType::kFp32:
      return put(bytes, value);
    case DType::kInt32:
      return put(bytes, static_cast<int32_t>(std::lround(value)));
    case DType::kInt64:
      return put(bytes, static_cast<int64_t>(std::llround(value)));
  }
}

}  // namespace rdusim::sim
