// NumPy .npy, versions 1 to 3: magic, version, header length, a Python dict literal with descr, fortran_order
// and shape, then the data. Read are little-endian f2, f4, f8, i4, i8 in C order; the dict grammar is the
// small part NumPy writes.
#include <fmt/format.h>

#include <cctype>
#include <charconv>
#include <optional>
#include <span>

#include "base/io/document_scalars.h"
#include "base/io/file.h"
#include "base/io/tensor_convert.h"
#include "base/io/tensor_file.h"

namespace rdusim {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";

struct Header {
  std::optional<std::string> descr;
  std::optional<bool> fortran_order;
  std::optional<Shape> shape;
};

Error invalid(const std::string& name, std::string what, std::string hint = "") {
  return Error{ErrorCode::kInvalidInput, name, std::move(what), std::move(hint)};
}

class HeaderParser {
 public:
  HeaderParser(std::string_view text, const std::string& name) : text_(text), name_(name) {}

  Result<Header> parse() {
    Header header;
    if (!take('{')) return bad();
    while (!take('}')) {
      const std::optional<std::string> key = quoted_text();
      if (!key || !take(':') || !value(*key, header)) return bad();
      if (!take(',') && !peek('}')) return bad();
    }
    skip_space();
    if (at_ != text_.size()) return bad();
    return header;
  }

 private:
  [[nodiscard]] Error bad() const {
    return invalid(name_, fmt::format("malformed .npy header at its byte {}", at_),
                   "write it again with numpy.save");
  }
  void skip_space() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_])) != 0) ++at_;
  }
  bool peek(char c) {
    skip_space();
    return at_ < text_.size() && text_[at_] == c;
  }
  bool take(char c) {
    if (!peek(c)) return false;
    ++at_;
    return true;
  }
  bool take_word(std::string_view word) {
    skip_space();
    if (!text_.substr(at_).starts_with(word)) return false;
    at_ += word.size();
    return true;
  }
  std::optional<std::string> quoted_text() {
    const char quote = peek('"') ? '"' : '\'';
    if (!take(quote)) return std::nullopt;
    const size_t end = text_.find(quote, at_);
    if (end == std::string_view::npos) return std::nullopt;
    const std::string out(text_.substr(at_, end - at_));
    at_ = end + 1;
    return out;
  }
  bool value(const std::string& key, Header& header) {
    if (key == "descr" && !header.descr) return (header.descr = quoted_text()).has_value();
    if (key == "shape" && !header.shape) return (header.shape = tuple()).has_value();
    if (key != "fortran_order" || header.fortran_order) return false;  // unknown or repeated
    if (take_word("True")) header.fortran_order = true;
    if (!header.fortran_order && take_word("False")) header.fortran_order = false;
    return header.fortran_order.has_value();
  }
  std::optional<Shape> tuple() {
    if (!take('(')) return std::nullopt;
    Shape shape;
    while (!take(')')) {
      skip_space();
      int64_t dim = 0;
      const char* end = text_.data() + text_.size();
      const auto [rest, error] = std::from_chars(text_.data() + at_, end, dim);
      if (error != std::errc()) return std::nullopt;
      at_ = static_cast<size_t>(rest - text_.data());
      shape.dims.push_back(dim);
      if (!take(',') && !peek(')')) return std::nullopt;
    }
    return shape;
  }

  std::string_view text_;
  const std::string& name_;
  size_t at_ = 0;
};

Result<StoredType> stored_type(const std::string& descr, const std::string& name) {
  if (descr == "<f2") return StoredType::kF16;
  if (descr == "<f4") return StoredType::kF32;
  if (descr == "<f8") return StoredType::kF64;
  if (descr == "<i4") return StoredType::kI32;
  if (descr == "<i8") return StoredType::kI64;
  return Error{ErrorCode::kUnsupported, name, "unsupported .npy type " + backquoted(descr),
               "known: <f2, <f4, <f8, <i4, <i8 (little endian)"};
}

// Start of the dict and its length, by version.
struct Extent {
  size_t start = 0;
  size_t length = 0;
};
Result<Extent> header_extent(std::string_view text, const std::string& name) {
  if (!text.starts_with(kMagic) || text.size() < 10)
    return invalid(name, "not a .npy file: its first bytes are wrong");
  const auto byte = [&](size_t i) { return static_cast<size_t>(static_cast<unsigned char>(text[i])); };
  const size_t version = byte(6);
  if (version < 1 || version > 3) return invalid(name, fmt::format("unknown .npy version {}", version));
  Extent extent{10, byte(8) | byte(9) << 8};
  if (version > 1) {
    if (text.size() < 12) return invalid(name, "truncated .npy header");
    extent = {12, byte(8) | byte(9) << 8 | byte(10) << 16 | byte(11) << 24};
  }
  if (extent.length > text.size() - extent.start) {
    return invalid(
        name, fmt::format("header length {} reaches beyond the file of {} bytes", extent.length, text.size()),
        "the file is truncated");
  }
  return extent;
}

}  // namespace

Result<Tensor> read_npy_bytes(const std::vector<uint8_t>& bytes, const std::string& name) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  RDU_ASSIGN(const Extent extent, header_extent(text, name));
  RDU_ASSIGN(const Header header, HeaderParser(text.substr(extent.start, extent.length), name).parse());
  if (!header.descr || !header.fortran_order || !header.shape) {
    return invalid(name, "the .npy header lacks descr, fortran_order or shape");
  }
  if (*header.fortran_order) {
    return Error{ErrorCode::kUnsupported, name, "the array is in Fortran order",
                 "save numpy.ascontiguousarray(x)"};
  }
  RDU_ASSIGN(const StoredType type, stored_type(*header.descr, name));
  RDU_CHECK_OK(check_shape(*header.shape, name));
  const std::span<const uint8_t> stored = std::span(bytes).subspan(extent.start + extent.length);
  const int64_t expected = header.shape->elements() * stored_bytes(type);
  if (static_cast<int64_t>(stored.size()) != expected) {
    return invalid(name,
                   fmt::format("{} data bytes, but the header's shape needs {}", stored.size(), expected),
                   "the file is truncated or has bytes appended");
  }
  return convert_to_fp32(stored, type, *header.shape, name);
}

Result<Tensor> read_npy(const std::string& path) {
  RDU_ASSIGN(const std::vector<uint8_t> bytes, read_binary_file(path));
  return read_npy_bytes(bytes, path);
}

}  // namespace rdusim
