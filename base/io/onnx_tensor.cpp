// TensorProto: its shape, type and bytes, which lie in the message or in a file of the model's folder.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <span>

#include "base/io/onnx_parser.h"

namespace rdusim {
namespace {

// TensorProto.DataType. Left out: strings, complex numbers, 4- and 8-bit floats.
std::optional<StoredType> stored_type(int64_t data_type) {
  switch (data_type) {
    case 1:
      return StoredType::kF32;
    case 2:
      return StoredType::kU8;
    case 3:
      return StoredType::kI8;
    case 4:
      return StoredType::kU16;
    case 5:
      return StoredType::kI16;
    case 6:
      return StoredType::kI32;
    case 7:
      return StoredType::kI64;
    case 9:
      return StoredType::kBool;
    case 10:
      return StoredType::kF16;
    case 11:
      return StoredType::kF64;
    case 12:
      return StoredType::kU32;
    case 13:
      return StoredType::kU64;
    case 16:
      return StoredType::kBf16;
    default:
      return std::nullopt;
  }
}

// Numbers of typed fields as bytes of their type: the low bytes of each.
template <typename T>
void append_bytes(const std::vector<T>& numbers, size_t width, std::vector<uint8_t>& bytes) {
  for (const T& number : numbers) {
    const auto* const start = reinterpret_cast<const uint8_t*>(&number);
    bytes.insert(bytes.end(), start, start + std::min(width, sizeof(T)));
  }
}

struct TypedFields {
  std::vector<float> floats;
  std::vector<double> doubles;
  std::vector<int64_t> integers;
};

struct External {
  bool external = false;
  std::string location;
  int64_t offset = 0;
  std::optional<int64_t> length;
};

Status read_entry(WireReader reader, External& external) {
  std::string key;
  std::string value;
  int64_t offset = 0;
  while (true) {
    RDU_ASSIGN(const std::optional<WireField> field, reader.next());
    if (!field) break;
    offset = field->offset;
    if (field->number == 1) key = field->text();
    if (field->number == 2) value = field->text();
  }
  if (key == "location") external.location = value;
  if (key != "offset" && key != "length") return {};
  int64_t number = -1;
  const auto [end, failure] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (failure != std::errc() || end != value.data() + value.size() || number < 0)
    return reader.error(offset, fmt::format("external data: {} is no {}", value, key));
  if (key == "offset") external.offset = number;
  if (key == "length") external.length = number;
  return {};
}

}  // namespace

Result<std::string> OnnxParser::external_path(const std::string& location, const std::string& where) const {
  namespace fs = std::filesystem;
  const auto refuse = [&](std::string what) {
    return Error{ErrorCode::kInvalidInput, where, std::move(what),
                 "external data lies in regular files inside the model's own folder"};
  };
  if (folder_.empty()) return refuse("external data, but the model has no folder");
  const fs::path relative(location);
  if (location.empty() || location.find('\0') != std::string::npos || relative.is_absolute())
    return refuse(fmt::format("external data at \"{}\"", location));
  for (const fs::path& part : relative) {
    if (part == "..") return refuse(fmt::format("external data at \"{}\"", location));
  }
  std::error_code failure;
  const fs::path resolved = fs::canonical(fs::path(folder_) / relative, failure);
  if (failure) return refuse(fmt::format("external data at \"{}\": {}", location, failure.message()));
  // Links are resolved by now: what is left must begin with the folder, part by part.
  const fs::path folder(folder_);
  const auto [at, _] = std::mismatch(folder.begin(), folder.end(), resolved.begin(), resolved.end());
  if (at != folder.end())
    return refuse(fmt::format("external data at \"{}\" leads out of the folder", location));
  if (!fs::is_regular_file(resolved, failure))
    return refuse(fmt::format("external data at \"{}\" is no regular file", location));
  return resolved.string();
}

Result<OnnxTensor> OnnxParser::tensor() {
  return tensor(whole(), 0);
}

Result<OnnxTensor> OnnxParser::tensor(WireReader reader, int64_t offset) {
  constexpr uint64_t kDims = 1, kType = 2, kSegment = 3, kFloats = 4, kInt32s = 5, kInt64s = 7, kName = 8,
                     kRaw = 9, kDoubles = 10, kUint64s = 11, kExternal = 13, kLocation = 14;
  OnnxTensor result;
  result.file_offset = offset;
  int64_t data_type = 0;
  TypedFields typed;
  External external;
  std::optional<WireField> raw;
  while (true) {
    RDU_ASSIGN(const std::optional<WireField> field, reader.next());
    if (!field) break;
    if (field->number == kDims) RDU_CHECK_OK(reader.append_varints(*field, result.shape.dims));
    if (field->number == kType) data_type = field->integer();
    if (field->number == kSegment)
      return reader.error(field->offset, "tensors in segments are not supported");
    if (field->number == kFloats) RDU_CHECK_OK(reader.append_floats(*field, typed.floats));
    if (field->number == kDoubles) RDU_CHECK_OK(reader.append_doubles(*field, typed.doubles));
    if (field->number == kInt32s || field->number == kInt64s || field->number == kUint64s)
      RDU_CHECK_OK(reader.append_varints(*field, typed.integers));
    if (field->number == kName) result.name = field->text();
    if (field->number == kRaw) {
      RDU_CHECK_OK(reader.expect(*field, WireType::kBytes));
      raw = *field;
    }
    if (field->number == kExternal) {
      RDU_ASSIGN(const WireReader entry, reader.inside(*field));
      RDU_CHECK_OK(read_entry(entry, external));
    }
    if (field->number == kLocation) external.external = field->integer() == 1;
  }
  const std::string where = fmt::format("{} at byte {}, tensor {}", path_, offset, result.name);
  const std::optional<StoredType> type = stored_type(data_type);
  if (!type) {
    return Error{ErrorCode::kUnsupported, where, fmt::format("data type {} is not supported", data_type),
                 "supported: floats of 16, 32 and 64 bits, bfloat16, integers and booleans"};
  }
  result.type = *type;
  RDU_CHECK_OK(check_shape(result.shape, where));
  const int64_t wanted = result.shape.elements() * stored_bytes(*type);
  if (external.external) {
    RDU_ASSIGN(result.external_path, external_path(external.location, where));
    result.external_offset = external.offset;
    std::error_code failure;
    const auto size = static_cast<int64_t>(std::filesystem::file_size(result.external_path, failure));
    if (failure || external.offset > size || wanted > size - external.offset ||
        external.length.value_or(wanted) != wanted) {
      return Error{ErrorCode::kInvalidInput, where,
                   fmt::format("{} bytes at {} of {}, which has {}", wanted, external.offset,
                               result.external_path, size),
                   ""};
    }
    return result;
  }
  int64_t found = 0;
  if (raw) {
    result.raw_offset = raw->bytes.data() - bytes_->data();
    found = static_cast<int64_t>(raw->bytes.size());
  } else {
    const auto width = static_cast<size_t>(stored_bytes(*type));
    if (*type == StoredType::kF32)
      append_bytes(typed.floats, width, result.typed);
    else if (*type == StoredType::kF64)
      append_bytes(typed.doubles, width, result.typed);
    else
      append_bytes(typed.integers, width, result.typed);
    found = static_cast<int64_t>(result.typed.size());
  }
  if (found == wanted) return result;
  return Error{ErrorCode::kInvalidInput, where,
               fmt::format("{} bytes of data, its shape needs {}", found, wanted), ""};
}

namespace {

// 64-bit integers are cut to +-2^31 before they are held to be exact in FP32.
Result<Tensor> to_fp32(std::span<const uint8_t> bytes, const OnnxTensor& tensor, const std::string& where) {
  if (tensor.type != StoredType::kI64) return convert_to_fp32(bytes, tensor.type, tensor.shape, where);
  constexpr int64_t kFar = int64_t{1} << 31;
  std::vector<double> numbers(bytes.size() / sizeof(int64_t));
  for (size_t i = 0; i < numbers.size(); ++i) {
    int64_t number = 0;
    std::memcpy(&number, bytes.data() + i * sizeof(number), sizeof(number));
    if (std::abs(static_cast<double>(number)) > 0x1p24 && number > -kFar && number < kFar) {
      return Error{ErrorCode::kOutOfRange, where, fmt::format("element {} is {}, beyond 2^24", i, number),
                   ""};
    }
    numbers[i] = static_cast<double>(std::clamp(number, -kFar, kFar));
  }
  const std::span<const uint8_t> as_doubles(reinterpret_cast<const uint8_t*>(numbers.data()), bytes.size());
  return convert_to_fp32(as_doubles, StoredType::kF64, tensor.shape, where);
}

}  // namespace

Result<Tensor> OnnxParser::convert(const OnnxTensor& tensor, const std::vector<uint8_t>& file,
                                   const std::string& path) {
  const std::string where = fmt::format("{}: tensor {}", path, tensor.name);
  const auto bytes = static_cast<size_t>(tensor.shape.elements() * stored_bytes(tensor.type));
  if (tensor.raw_offset >= 0) {
    const std::span<const uint8_t> all(file);
    return to_fp32(all.subspan(static_cast<size_t>(tensor.raw_offset), bytes), tensor, where);
  }
  if (tensor.external_path.empty()) return to_fp32(tensor.typed, tensor, where);
  std::ifstream stream(tensor.external_path, std::ios::binary);
  std::vector<uint8_t> content(bytes);
  stream.seekg(tensor.external_offset);
  stream.read(reinterpret_cast<char*>(content.data()), static_cast<std::streamsize>(bytes));
  if (!stream) {
    return Error{ErrorCode::kIo, where,
                 fmt::format("cannot read {} bytes of {}", bytes, tensor.external_path), ""};
  }
  return to_fp32(content, tensor, where);
}

// ------------------------------------------------------------------------------------------------ types of
// values

Status OnnxParser::tensor_type(WireReader reader, OnnxValueInfo& info) {
  constexpr uint64_t kElementType = 1, kShape = 2, kDimension = 1;
  while (true) {
    RDU_ASSIGN(const std::optional<WireField> field, reader.next());
    if (!field) return {};
    if (field->number == kElementType) {
      const std::optional<StoredType> type = stored_type(field->integer());
      if (!type) {
        return reader.error(field->offset,
                            fmt::format("{} has the data type {}", info.name, field->integer()));
      }
      info.type = *type;
    }
    if (field->number != kShape) continue;
    info.has_shape = true;
    RDU_ASSIGN(WireReader shape, reader.inside(*field));
    while (true) {
      RDU_ASSIGN(const std::optional<WireField> one, shape.next());
      if (!one) break;
      if (one->number != kDimension) continue;
      RDU_ASSIGN(const WireReader inner, shape.inside(*one));
      RDU_ASSIGN(OnnxDimension next, dimension(inner));
      info.dimensions.push_back(std::move(next));
    }
  }
}

}  // namespace rdusim
