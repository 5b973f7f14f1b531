// Little-endian byte streams of the router file. The reader checks every length against what is left, so a
// truncated or hostile file ends in an error, never in a wild read.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace rdusim::runtime {

static_assert(std::endian::native == std::endian::little, "the router file is written as it lies in memory");

class ByteWriter {
 public:
  template <typename T>
  void number(T value) {
    static_assert(std::is_arithmetic_v<T>);
    char raw[sizeof(T)];
    std::memcpy(raw, &value, sizeof(T));
    bytes_.append(raw, sizeof(T));
  }
  void text(std::string_view value) {
    number(static_cast<uint64_t>(value.size()));
    bytes_.append(value);
  }
  template <typename T>
  void list(const std::vector<T>& values) {
    static_assert(std::is_arithmetic_v<T>);
    number(static_cast<uint64_t>(values.size()));
    if (values.empty()) return;
    const size_t begin = bytes_.size();
    bytes_.resize(begin + values.size() * sizeof(T));
    std::memcpy(bytes_.data() + begin, values.data(), values.size() * sizeof(T));
  }
  [[nodiscard]] const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

class ByteReader {
 public:
  ByteReader(std::string_view bytes, std::string file) : bytes_(bytes), file_(std::move(file)) {}

  template <typename T>
  Result<T> number(const char* name) {
    static_assert(std::is_arithmetic_v<T>);
    if (bytes_.size() - position_ < sizeof(T)) return truncated(name);
    T value;
    std::memcpy(&value, bytes_.data() + position_, sizeof(T));
    position_ += sizeof(T);
    return value;
  }
  Result<std::string> text(const char* name) {
    RDU_ASSIGN(const size_t size, length(name, 1));
    std::string value(bytes_.substr(position_, size));
    position_ += size;
    return value;
  }
  template <typename T>
  Result<std::vector<T>> list(const char* name) {
    static_assert(std::is_arithmetic_v<T>);
    RDU_ASSIGN(const size_t size, length(name, sizeof(T)));
    std::vector<T> values(size);
    if (size > 0) std::memcpy(values.data(), bytes_.data() + position_, size * sizeof(T));
    position_ += size * sizeof(T);
    return values;
  }
  [[nodiscard]] bool at_end() const { return position_ == bytes_.size(); }
  [[nodiscard]] Error broken(const std::string& what) const {
    return {ErrorCode::kInvalidInput, file_, what, "train the router again: rdusim router train"};
  }

 private:
  [[nodiscard]] Error truncated(const char* name) const {
    return broken(std::string("the file ends inside ") + name);
  }
  Result<size_t> length(const char* name, size_t element_bytes) {
    RDU_ASSIGN(const uint64_t size, number<uint64_t>(name));
    if (size > (bytes_.size() - position_) / element_bytes) return truncated(name);
    return static_cast<size_t>(size);
  }

  std::string_view bytes_;
  std::string file_;
  size_t position_ = 0;
};

}  // namespace rdusim::runtime
