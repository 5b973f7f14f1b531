// Protocol-buffer wire format, reading only: a message is a run of fields, each a number, a wire type and a
// varint, 4 or 8 bytes, or a counted run of bytes. Every length is checked against what is left, so arbitrary
// bytes give fields or an error with their place, never a read outside. Groups (wire types 3 and 4, long out
// of use) are errors. Source: Protocol Buffers encoding, https://protobuf.dev/programming-guides/encoding/
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"

namespace rdusim {

enum class WireType : uint8_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

struct WireField {
  uint64_t number = 0;
  WireType type = WireType::kVarint;
  uint64_t value = 0;              // varint and fixed types
  std::span<const uint8_t> bytes;  // kBytes
  int64_t offset = 0;              // of the field's tag in the file

  [[nodiscard]] int64_t integer() const { return static_cast<int64_t>(value); }
  [[nodiscard]] float real() const;  // kFixed32
  [[nodiscard]] std::string text() const { return {bytes.begin(), bytes.end()}; }
};

class WireReader {
 public:
  // `offset`: where the message begins in the file called `name`, for errors.
  WireReader(std::span<const uint8_t> message, int64_t offset, std::string name)
      : message_(message), offset_(offset), name_(std::move(name)) {}

  // The next field; absent at the message's end.
  Result<std::optional<WireField>> next();
  // A message inside this one. The field must be kBytes.
  Result<WireReader> inside(const WireField& field) const;
  // Fails when the field has another wire type.
  Status expect(const WireField& field, WireType type) const;
  // A repeated number, packed or not: appended.
  Status append_varints(const WireField& field, std::vector<int64_t>& numbers) const;
  Status append_floats(const WireField& field, std::vector<float>& numbers) const;
  Status append_doubles(const WireField& field, std::vector<double>& numbers) const;

  [[nodiscard]] Error error(int64_t offset, std::string what) const;

 private:
  Result<uint64_t> varint();

  std::span<const uint8_t> message_;
  int64_t offset_;
  std::string name_;
  size_t position_ = 0;
};

}  // namespace rdusim
