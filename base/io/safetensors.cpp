// safetensors: u64 header length, JSON header {name: {dtype, shape, data_offsets: [begin, end)}}, data bytes.
// Checked at open: the header lies in the file, every tensor lies in the data, its size is shape x dtype, and
// together the tensors cover the data without overlap or gap (the format asks for that, so a cut or padded
// file is noticed).
#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <optional>

#include "base/io/document.h"
#include "base/io/document_scalars.h"
#include "base/io/tensor_convert.h"
#include "base/io/tensor_file.h"

namespace rdusim {
namespace {

constexpr int64_t kLengthBytes = 8;
constexpr int64_t kMaxHeaderBytes = 100'000'000;  // the format's own limit

struct KnownType {
  std::string_view name;
  StoredType stored;
  DType dtype;  // what it is closest to among the simulator's formats
};
constexpr KnownType kKnownTypes[] = {
    {"BF16", StoredType::kBf16, DType::kBf16},  {"F16", StoredType::kF16, DType::kFp16},
    {"F32", StoredType::kF32, DType::kFp32},    {"F64", StoredType::kF64, DType::kFp32},
    {"I8", StoredType::kI8, DType::kInt32},     {"U8", StoredType::kU8, DType::kInt32},
    {"BOOL", StoredType::kBool, DType::kInt32}, {"I16", StoredType::kI16, DType::kInt32},
    {"U16", StoredType::kU16, DType::kInt32},   {"I32", StoredType::kI32, DType::kInt32},
    {"U32", StoredType::kU32, DType::kInt64},   {"I64", StoredType::kI64, DType::kInt64},
    {"U64", StoredType::kU64, DType::kInt64},
};

const KnownType* find_type(std::string_view name) {
  for (const KnownType& type : kKnownTypes) {
    if (type.name == name) return &type;
  }
  return nullptr;
}

std::string place(const std::string& file, std::string_view tensor) {
  return fmt::format("{}: tensor {}", file, backquoted(tensor));
}

Error invalid(std::string where, std::string what, std::string hint = "") {
  return Error{ErrorCode::kInvalidInput, std::move(where), std::move(what), std::move(hint)};
}

Result<int64_t> header_bytes(const uint8_t* start, int64_t available, int64_t file_bytes,
                             const std::string& name) {
  if (available < kLengthBytes) {
    return invalid(name, fmt::format("{} bytes are too few for a safetensors file", file_bytes));
  }
  uint64_t length = 0;
  std::memcpy(&length, start, sizeof(length));
  if (length > static_cast<uint64_t>(file_bytes - kLengthBytes)) {
    return invalid(name,
                   fmt::format("header length {} reaches beyond the file of {} bytes", length, file_bytes),
                   "the file is truncated, or it is no safetensors file");
  }
  if (length > static_cast<uint64_t>(kMaxHeaderBytes)) {
    return invalid(
        name, fmt::format("header length {} is beyond the format's limit of {}", length, kMaxHeaderBytes));
  }
  return static_cast<int64_t>(length);
}

Result<Shape> parse_shape(const DocumentNode& node, const std::string& where) {
  if (node.kind != DocumentNode::Kind::kList)
    return invalid(where, "`shape` must be a list, found " + describe(node));
  Shape shape;
  for (const DocumentNode& item : node.items) {
    RDU_ASSIGN(const int64_t dim, item.as_integer());
    shape.dims.push_back(dim);
  }
  RDU_CHECK_OK(check_shape(shape, where));
  return shape;
}

Result<TensorEntry> parse_entry(const std::string& tensor, const DocumentNode& node, int64_t data_start,
                                int64_t data_bytes, const std::string& file) {
  const std::string where = place(file, tensor);
  RDU_ASSIGN(const DocumentNode* dtype_node, node.at("dtype"));
  RDU_ASSIGN(const std::string dtype, dtype_node->as_string());
  const KnownType* type = find_type(dtype);
  if (type == nullptr) {
    std::vector<std::string> names;
    for (const KnownType& known : kKnownTypes) names.emplace_back(known.name);
    return Error{ErrorCode::kUnsupported, where, "unknown dtype " + backquoted(dtype),
                 suggestion(dtype, names)};
  }
  RDU_ASSIGN(const DocumentNode* shape_node, node.at("shape"));
  RDU_ASSIGN(Shape shape, parse_shape(*shape_node, where));
  RDU_ASSIGN(const DocumentNode* offsets, node.at("data_offsets"));
  if (offsets->items.size() != 2) return invalid(where, "`data_offsets` must be [begin, end]");
  RDU_ASSIGN(const int64_t begin, offsets->items[0].as_integer());
  RDU_ASSIGN(const int64_t end, offsets->items[1].as_integer());
  if (begin < 0 || end < begin || end > data_bytes) {
    return invalid(where,
                   fmt::format("data [{}, {}) lies outside the file's {} data bytes", begin, end, data_bytes),
                   "the file is truncated, or its header is wrong");
  }
  const int64_t expected = shape.elements() * stored_bytes(type->stored);
  if (end - begin != expected) {
    return invalid(
        where, fmt::format("{} data bytes, but shape and dtype {} need {}", end - begin, dtype, expected));
  }
  return TensorEntry{tensor, type->dtype, std::move(shape), data_start + begin, end - begin, dtype, 0};
}

Status check_coverage(std::vector<TensorEntry> entries, int64_t data_start, int64_t file_bytes,
                      const std::string& file) {
  std::sort(entries.begin(), entries.end(), [](const TensorEntry& a, const TensorEntry& b) {
    return std::tie(a.offset, a.bytes, a.name) < std::tie(b.offset, b.bytes, b.name);
  });
  int64_t covered = data_start;
  std::string last;
  for (const TensorEntry& entry : entries) {
    if (entry.offset < covered)
      return invalid(place(file, entry.name), "its data overlaps tensor " + backquoted(last));
    if (entry.offset > covered) {
      return invalid(place(file, entry.name),
                     fmt::format("{} unused bytes before its data", entry.offset - covered));
    }
    covered = entry.offset + entry.bytes;
    last = entry.name;
  }
  if (covered == file_bytes) return {};
  return invalid(file, fmt::format("{} bytes after the last tensor", file_bytes - covered),
                 "the header does not belong to this file");
}

Result<std::vector<TensorEntry>> parse_header(std::string_view json, int64_t file_bytes,
                                              const std::string& name) {
  RDU_ASSIGN(const DocumentNode root, read_json_text(json, name + " header", {.max_bytes = kMaxHeaderBytes}));
  if (root.kind != DocumentNode::Kind::kMap)
    return invalid(name, "the header must be a map, found " + describe(root));
  const int64_t data_start = kLengthBytes + static_cast<int64_t>(json.size());
  std::vector<TensorEntry> entries;
  for (const auto& [tensor, node] : root.members) {
    if (tensor == "__metadata__") continue;
    RDU_ASSIGN(TensorEntry entry, parse_entry(tensor, node, data_start, file_bytes - data_start, name));
    entries.push_back(std::move(entry));
  }
  RDU_CHECK_OK(check_coverage(entries, data_start, file_bytes, name));
  std::sort(entries.begin(), entries.end(),
            [](const TensorEntry& a, const TensorEntry& b) { return a.name < b.name; });
  return entries;
}

Result<std::vector<uint8_t>> read_range(const std::string& path, int64_t offset, int64_t bytes) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return Error{ErrorCode::kIo, path, "cannot open", ""};
  std::vector<uint8_t> out(static_cast<size_t>(bytes));
  file.seekg(offset);
  file.read(reinterpret_cast<char*>(out.data()), static_cast<std::streamsize>(bytes));
  if (file.gcount() != static_cast<std::streamsize>(bytes)) {
    return Error{ErrorCode::kIo, path, fmt::format("cannot read {} bytes at offset {}", bytes, offset), ""};
  }
  return out;
}

}  // namespace

Result<SafetensorsFile> SafetensorsFile::open(const std::string& path) {
  std::ifstream stream(path, std::ios::binary | std::ios::ate);
  if (!stream) return Error{ErrorCode::kNotFound, path, "cannot open", ""};
  const auto file_bytes = static_cast<int64_t>(stream.tellg());
  if (file_bytes < 0) return Error{ErrorCode::kIo, path, "cannot read", "is it a regular file?"};
  RDU_ASSIGN(const std::vector<uint8_t> lead, read_range(path, 0, std::min(file_bytes, kLengthBytes)));
  RDU_ASSIGN(const int64_t length,
             header_bytes(lead.data(), static_cast<int64_t>(lead.size()), file_bytes, path));
  RDU_ASSIGN(const std::vector<uint8_t> header, read_range(path, kLengthBytes, length));
  SafetensorsFile file;
  file.path_ = path;
  file.files_ = {path};
  const std::string_view json(reinterpret_cast<const char*>(header.data()), header.size());
  RDU_ASSIGN(file.entries_, parse_header(json, file_bytes, path));
  return file;
}

Result<SafetensorsFile> SafetensorsFile::from_bytes(std::vector<uint8_t> bytes, const std::string& name) {
  const auto size = static_cast<int64_t>(bytes.size());
  RDU_ASSIGN(const int64_t length, header_bytes(bytes.data(), size, size, name));
  const std::string_view json(reinterpret_cast<const char*>(bytes.data()) + kLengthBytes,
                              static_cast<size_t>(length));
  SafetensorsFile file;
  file.path_ = name;
  file.files_ = {name};
  RDU_ASSIGN(file.entries_, parse_header(json, size, name));
  file.bytes_ = std::move(bytes);
  return file;
}

const TensorEntry* SafetensorsFile::find(const std::string& name) const {
  const auto found =
      std::lower_bound(entries_.begin(), entries_.end(), name,
                       [](const TensorEntry& entry, const std::string& key) { return entry.name < key; });
  return found != entries_.end() && found->name == name ? &*found : nullptr;
}

Result<Tensor> SafetensorsFile::read(const std::string& name) const {
  const TensorEntry* entry = find(name);
  if (entry == nullptr) {
    std::vector<std::string> names;
    for (const TensorEntry& known : entries_) names.push_back(known.name);
    return Error{ErrorCode::kNotFound, path_, "no tensor " + backquoted(name), suggestion(name, names)};
  }
  const StoredType stored = find_type(entry->stored_type)->stored;
  const std::string& file = files_[entry->file];
  const std::string where = place(file, name);
  if (!bytes_.empty()) {
    const std::span<const uint8_t> all(bytes_);
    return convert_to_fp32(all.subspan(static_cast<size_t>(entry->offset), static_cast<size_t>(entry->bytes)),
                           stored, entry->shape, where);
  }
  RDU_ASSIGN(const std::vector<uint8_t> bytes, read_range(file, entry->offset, entry->bytes));
  return convert_to_fp32(bytes, stored, entry->shape, where);
}

}  // namespace rdusim
