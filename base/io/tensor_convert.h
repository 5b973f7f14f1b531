// Stored bytes of a tensor to FP32, shared by the safetensors and the npy reader.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "base/result.h"
#include "base/tensor.h"

namespace rdusim {

enum class StoredType : uint8_t {
  kBf16,
  kF16,
  kF32,
  kF64,
  kI8,
  kU8,
  kBool,
  kI16,
  kU16,
  kI32,
  kU32,
  kI64,
  kU64
};

int64_t stored_bytes(StoredType type);
// Dimensions: none negative, and their product (zeros counted as one) small enough that Shape's int64 never
// overflows.
Status check_shape(const Shape& shape, const std::string& where);
// Little endian. bytes.size() is elements x stored_bytes. Integers beyond 2^24 in magnitude fail: FP32 cannot
// hold them.
Result<Tensor> convert_to_fp32(std::span<const uint8_t> bytes, StoredType type, const Shape& shape,
                               const std::string& where);

}  // namespace rdusim
