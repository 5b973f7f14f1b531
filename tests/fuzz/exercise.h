// What a fuzzer does with one input, per parser: parse it, use all of what came out, and check what must hold
// for any input (a dump reads back, a slow twin agrees). Shared by the libFuzzer targets and by
// base_fuzz_corpus_test, which feeds seeded mutations where no clang is at hand. A broken rule throws
// CheckFailure, which ends either.
#pragma once

#include <algorithm>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/arch/chip_fields.h"
#include "base/check.h"
#include "base/io/document.h"
#include "base/io/fields.h"
#include "base/io/file.h"
#include "base/io/onnx_file.h"
#include "base/io/tensor_file.h"

namespace rdusim::fuzz {

inline constexpr DocumentLimits kLimits{.max_bytes = 1 << 20, .max_depth = 32, .max_nodes = 20'000};

inline std::string_view text_of(const uint8_t* bytes, size_t size) {
  return {reinterpret_cast<const char*>(bytes), size};
}

// Every accessor of every node: an error must name a place.
inline void use(const DocumentNode& node) {
  const auto check = [](const auto& result) {
    RDU_CHECK(result.ok() || !result.error().where.empty(), "{}", result.error().to_string());
  };
  check(node.as_integer());
  check(node.as_real());
  check(node.as_bool());
  check(node.as_string());
  check(node.at("name"));
  for (const DocumentNode& item : node.items) use(item);
  for (const auto& [key, member] : node.members) use(member);
}

// A struct read from an arbitrary document either fails with a place or survives dump and parse.
template <typename T>
void use_fields(const Fields<T>& fields, const DocumentNode& node) {
  const auto object = fields.parse(node);
  if (!object.ok()) {
    RDU_CHECK(!object.error().where.empty(), "{}", object.error().to_string());
    return;
  }
  const std::string dump = fields.dump(*object);
  const auto document = read_yaml_text(dump, "dump");
  RDU_CHECK(document.ok(), "{}\n{}", document.error().to_string(), dump);
  const auto again = fields.parse(*document);
  RDU_CHECK(again.ok(), "{}\n{}", again.error().to_string(), dump);
  RDU_CHECK(fields.dump(*again) == dump, "dump changed: {}", dump);
}

inline void exercise_yaml(std::string_view text) {
  const auto document = read_yaml_text(text, "fuzz", kLimits);
  if (!document.ok()) {
    RDU_CHECK(document.error().where.starts_with("fuzz"), "{}", document.error().to_string());
    return;
  }
  use(*document);
  const std::string dump = dump_yaml(*document);
  const auto again = read_yaml_text(dump, "dump");
  RDU_CHECK(again.ok(), "{}\n{}", again.error().to_string(), dump);
  RDU_CHECK(dump_yaml(*again) == dump, "{}\nbecame\n{}", dump, dump_yaml(*again));
  use_fields(chip_fields(), *document);
  use_fields(node_fields(), *document);
  use_fields(gpu_node_fields(), *document);
  DocumentNode changed = *document;
  for (const std::string& path : scalar_paths(*document, "root")) {
    if (path.size() > 5) (void)apply_override(changed, std::string_view(path).substr(5), "1", path).ok();
  }
}

inline void exercise_json(std::string_view text) {
  const auto document = read_json_text(text, "fuzz", kLimits);
  if (!document.ok()) {
    RDU_CHECK(document.error().where.starts_with("fuzz:"), "{}", document.error().to_string());
    return;
  }
  use(*document);
  // The twin: what we take, the plain parser takes too.
  RDU_CHECK(nlohmann::json::accept(text), "accepted, but it is not JSON: {}", text);
}

inline void exercise_safetensors(const uint8_t* bytes, size_t size) {
  const auto file = SafetensorsFile::from_bytes({bytes, bytes + size}, "fuzz");
  if (!file.ok()) {
    RDU_CHECK(!file.error().where.empty(), "{}", file.error().to_string());
    return;
  }
  int64_t stored = 0;
  for (const TensorEntry& entry : file->entries()) {
    stored += entry.bytes;
    const auto tensor = file->read(entry.name);
    if (!tensor.ok()) continue;
    const auto count = static_cast<int64_t>(tensor->values.size());
    RDU_CHECK(count == entry.shape.elements(), "{} values of {}", count, entry.name);
  }
  RDU_CHECK(stored < static_cast<int64_t>(size), "{} bytes of tensors in a file of {}", stored, size);
}

inline void exercise_safetensors_index(const uint8_t* bytes, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  const auto files = parse_safetensors_index(text, "fuzz");
  if (!files.ok()) {
    RDU_CHECK(!files.error().where.empty(), "{}", files.error().to_string());
    return;
  }
  for (const auto& [tensor, file] : *files)
    RDU_CHECK(file.find('/') == std::string::npos && file != "..", "tensor {} in {}", tensor, file);
}

inline void exercise_npy(const uint8_t* bytes, size_t size) {
  const auto tensor = read_npy_bytes({bytes, bytes + size}, "fuzz");
  if (!tensor.ok()) return;
  const auto count = static_cast<int64_t>(tensor->values.size());
  RDU_CHECK(count == tensor->shape.elements(), "{} values", count);
}

// Every tensor either converts to as many numbers as its shape says, or is an error with a place.
inline void exercise_onnx(const uint8_t* bytes, size_t size) {
  const auto file = OnnxFile::from_bytes({bytes, bytes + size}, "fuzz");
  if (!file.ok()) {
    RDU_CHECK(!file.error().where.empty(), "{}", file.error().to_string());
    return;
  }
  for (const OnnxTensor& tensor : file->initializers()) {
    const auto values = file->read(tensor);
    if (!values.ok()) continue;
    const auto count = static_cast<int64_t>(values->values.size());
    RDU_CHECK(count == tensor.shape.elements(), "{} values", count);
  }
}

inline std::string csv_text(const std::vector<std::string>& cells) {
  std::string out;
  for (size_t i = 0; i < cells.size(); ++i) {
    if (i > 0) out += ',';
    out += '"';
    for (const char c : cells[i]) out += c == '"' ? std::string("\"\"") : std::string(1, c);
    out += '"';
  }
  return out + "\n";
}

inline void exercise_csv(std::string_view text) {
  const auto table = parse_csv(text, "fuzz");
  if (!table.ok()) return;
  std::string written = csv_text(table->header);
  for (const CsvRow& row : table->rows) {
    RDU_CHECK(row.cells.size() == table->header.size(), "line {}", row.line);
    written += csv_text(row.cells);
  }
  const auto again = parse_csv(written, "again");
  RDU_CHECK(again.ok(), "{}\n{}", again.error().to_string(), written);
  RDU_CHECK(again->header == table->header && again->rows.size() == table->rows.size(), "{}", written);
  for (size_t i = 0; i < table->rows.size(); ++i) {
    RDU_CHECK(again->rows[i].cells == table->rows[i].cells, "row {}", i);
  }
}

inline void exercise_gzip(std::string_view packed) {
  constexpr int64_t kMaxBytes = 1 << 20;
  const auto text = inflate_gzip(packed, "fuzz", kMaxBytes);
  if (text.ok()) RDU_CHECK(static_cast<int64_t>(text->size()) <= kMaxBytes, "{} bytes", text->size());
}

}  // namespace rdusim::fuzz
