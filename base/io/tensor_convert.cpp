// One loop per stored type; memcpy keeps unaligned file offsets defined.
#include "base/io/tensor_convert.h"

#include <fmt/format.h>

#include <bit>
#include <cstring>
#include <optional>

#include "base/check.h"
#include "base/dtype.h"

namespace rdusim {
namespace {

static_assert(std::endian::native == std::endian::little,
              "stored tensors are little endian and are read by memcpy");

constexpr int64_t kMaxExactInteger = 1 << 24;

template <typename T>
T element(std::span<const uint8_t> bytes, size_t index) {
  T value;
  std::memcpy(&value, bytes.data() + index * sizeof(T), sizeof(T));
  return value;
}

template <typename T>
std::optional<Error> convert_integers(std::span<const uint8_t> bytes, std::vector<float>& out,
                                      const std::string& where) {
  for (size_t i = 0; i < out.size(); ++i) {
    const T value = element<T>(bytes, i);
    const bool exact =
        std::cmp_less_equal(value, kMaxExactInteger) && std::cmp_greater_equal(value, -kMaxExactInteger);
    if (!exact) {
      return Error{ErrorCode::kOutOfRange, where,
                   fmt::format("element {} is {}, beyond 2^24, which FP32 does not hold exactly", i, value),
                   ""};
    }
    out[i] = static_cast<float>(value);
  }
  return std::nullopt;
}

template <typename T, typename Convert>
void convert_reals(std::span<const uint8_t> bytes, std::vector<float>& out, Convert convert) {
  for (size_t i = 0; i < out.size(); ++i) out[i] = convert(element<T>(bytes, i));
}

std::optional<Error> convert_all(std::span<const uint8_t> bytes, StoredType type, std::vector<float>& out,
                                 const std::string& where) {
  switch (type) {
    case StoredType::kBf16:
      convert_reals<uint16_t>(bytes, out, bf16_value);
      return std::nullopt;
    case StoredType::kF16:
      convert_reals<uint16_t>(bytes, out, fp16_value);
      return std::nullopt;
    case StoredType::kF32:
      convert_reals<float>(bytes, out, [](float x) { return x; });
      return std::nullopt;
    case StoredType::kF64:
      convert_reals<double>(bytes, out, [](double x) { return static_cast<float>(x); });
      return std::nullopt;
    case StoredType::kI8:
      return convert_integers<int8_t>(bytes, out, where);
    case StoredType::kU8:
    case StoredType::kBool:
      return convert_integers<uint8_t>(bytes, out, where);
    case StoredType::kI16:
      return convert_integers<int16_t>(bytes, out, where);
    case StoredType::kU16:
      return convert_integers<uint16_t>(bytes, out, where);
    case StoredType::kI32:
      return convert_integers<int32_t>(bytes, out, where);
    case StoredType::kU32:
      return convert_integers<uint32_t>(bytes, out, where);
    case StoredType::kI64:
      return convert_integers<int64_t>(bytes, out, where);
    case StoredType::kU64:
      return convert_integers<uint64_t>(bytes, out, where);
  }
  return std::nullopt;
}

}  // namespace

int64_t stored_bytes(StoredType type) {
  switch (type) {
    case StoredType::kI8:
    case StoredType::kU8:
    case StoredType::kBool:
      return 1;
    case StoredType::kBf16:
    case StoredType::kF16:
    case StoredType::kI16:
    case StoredType::kU16:
      return 2;
    case StoredType::kF32:
    case StoredType::kI32:
    case StoredType::kU32:
      return 4;
    case StoredType::kF64:
    case StoredType::kI64:
    case StoredType::kU64:
      return 8;
  }
  return 0;
}

Status check_shape(const Shape& shape, const std::string& where) {
  constexpr int64_t kMaxElements = int64_t{1} << 48;
  int64_t product = 1;
  for (const int64_t dim : shape.dims) {
    const int64_t factor = dim == 0 ? 1 : dim;
    if (dim < 0 || factor > kMaxElements / product) {
      return Error{ErrorCode::kOutOfRange, where,
                   fmt::format("dimension {} is negative or absurdly large", dim), ""};
    }
    product *= factor;
  }
  return {};
}

Result<Tensor> convert_to_fp32(std::span<const uint8_t> bytes, StoredType type, const Shape& shape,
                               const std::string& where) {
  const int64_t expected = shape.elements() * stored_bytes(type);
  RDU_CHECK(static_cast<int64_t>(bytes.size()) == expected, "{}: {} bytes, expected {}", where, bytes.size(),
            expected);
  Tensor tensor;
  tensor.shape = shape;
  tensor.values.resize(static_cast<size_t>(shape.elements()));
  if (std::optional<Error> error = convert_all(bytes, type, tensor.values, where)) return std::move(*error);
  return tensor;
}

}  // namespace rdusim
