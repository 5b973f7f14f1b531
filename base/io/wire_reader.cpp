// See wire_reader.h.
#include "base/io/wire_reader.h"

#include <fmt/format.h>

#include <bit>
#include <cstring>

namespace rdusim {
namespace {

static_assert(std::endian::native == std::endian::little, "fixed fields are little endian");

template <typename T>
T bits_of(const uint8_t* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof(T));
  return value;
}

// Packed numbers of one width.
template <typename T>
bool append_packed(std::span<const uint8_t> bytes, std::vector<T>& numbers) {
  if (bytes.size() % sizeof(T) != 0) return false;
  const size_t first = numbers.size();
  numbers.resize(first + bytes.size() / sizeof(T));
  if (!bytes.empty()) std::memcpy(numbers.data() + first, bytes.data(), bytes.size());
  return true;
}

}  // namespace

float WireField::real() const {
  return std::bit_cast<float>(static_cast<uint32_t>(value));
}

Error WireReader::error(int64_t offset, std::string what) const {
  return Error{ErrorCode::kInvalidInput, fmt::format("{} at byte {}", name_, offset), std::move(what),
               "the file is truncated, or of another format"};
}

Result<uint64_t> WireReader::varint() {
  uint64_t value = 0;
  const size_t start = position_;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    if (position_ == message_.size())
      return error(offset_ + static_cast<int64_t>(start), "a number ends outside its message");
    const uint8_t byte = message_[position_++];
    if (shift == 63 && byte > 1) break;
    value |= static_cast<uint64_t>(byte & 0x7FU) << shift;
    if (byte < 0x80) return value;
  }
  return error(offset_ + static_cast<int64_t>(start), "a number has more than 64 bits");
}

Result<std::optional<WireField>> WireReader::next() {
  if (position_ == message_.size()) return std::optional<WireField>();
  WireField field;
  field.offset = offset_ + static_cast<int64_t>(position_);
  RDU_ASSIGN(const uint64_t tag, varint());
  field.number = tag >> 3;
  const uint64_t type = tag & 7;
  if (field.number == 0) return error(field.offset, "a field has the number 0");
  if (type != 0 && type != 1 && type != 2 && type != 5)
    return error(field.offset, fmt::format("a field has the wire type {}", type));
  field.type = static_cast<WireType>(type);
  if (field.type == WireType::kVarint) {
    RDU_ASSIGN(field.value, varint());
    return std::optional(field);
  }
  uint64_t length = field.type == WireType::kFixed64 ? 8 : 4;
  if (field.type == WireType::kBytes) {
    RDU_ASSIGN(length, varint());
  }
  if (length > message_.size() - position_) {
    return error(field.offset,
                 fmt::format("a field of {} bytes where {} are left", length, message_.size() - position_));
  }
  field.bytes = message_.subspan(position_, static_cast<size_t>(length));
  position_ += static_cast<size_t>(length);
  if (field.type == WireType::kFixed64) field.value = bits_of<uint64_t>(field.bytes.data());
  if (field.type == WireType::kFixed32) field.value = bits_of<uint32_t>(field.bytes.data());
  return std::optional(field);
}

Status WireReader::expect(const WireField& field, WireType type) const {
  if (field.type == type) return {};
  return error(field.offset, fmt::format("field {} has the wire type {}, {} is asked for", field.number,
                                         static_cast<int>(field.type), static_cast<int>(type)));
}

Result<WireReader> WireReader::inside(const WireField& field) const {
  RDU_CHECK_OK(expect(field, WireType::kBytes));
  const int64_t begin = offset_ + (field.bytes.data() - message_.data());
  return WireReader(field.bytes, begin, name_);
}

Status WireReader::append_varints(const WireField& field, std::vector<int64_t>& numbers) const {
  if (field.type == WireType::kVarint) {
    numbers.push_back(field.integer());
    return {};
  }
  RDU_ASSIGN(WireReader packed, inside(field));
  while (packed.position_ < packed.message_.size()) {
    RDU_ASSIGN(const uint64_t number, packed.varint());
    numbers.push_back(static_cast<int64_t>(number));
  }
  return {};
}

Status WireReader::append_floats(const WireField& field, std::vector<float>& numbers) const {
  if (field.type == WireType::kFixed32) {
    numbers.push_back(field.real());
    return {};
  }
  RDU_CHECK_OK(expect(field, WireType::kBytes));
  if (append_packed(field.bytes, numbers)) return {};
  return error(field.offset, "packed floats are no multiple of 4 bytes");
}

Status WireReader::append_doubles(const WireField& field, std::vector<double>& numbers) const {
  if (field.type == WireType::kFixed64) {
    numbers.push_back(std::bit_cast<double>(field.value));
    return {};
  }
  RDU_CHECK_OK(expect(field, WireType::kBytes));
  if (append_packed(field.bytes, numbers)) return {};
  return error(field.offset, "packed doubles are no multiple of 8 bytes");
}

}  // namespace rdusim
