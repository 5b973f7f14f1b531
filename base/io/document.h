// Document: one tree for YAML and JSON files, every node with the file:line:col it was read from, so that
// every later complaint can point at the place. Duplicate keys, too deep nesting, and alias bombs are errors
// while reading. yaml-cpp and nlohmann stay inside the readers (document_yaml.cpp, document_json.cpp).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace rdusim {

struct DocumentNode {
  enum class Kind : uint8_t { kNull, kBool, kInteger, kReal, kString, kList, kMap };
  Kind kind = Kind::kNull;
  std::string text;                                           // scalar as written (strings unescaped)
  std::vector<DocumentNode> items;                            // kList
  std::vector<std::pair<std::string, DocumentNode>> members;  // kMap, in file order
  std::string where;                                          // "file:line:col"

  // Defined where the type is complete: clang 14 cannot make them from a vector of pairs that hold the type
  // itself.
  DocumentNode();
  DocumentNode(const DocumentNode& other);
  DocumentNode(DocumentNode&& other) noexcept;
  DocumentNode& operator=(const DocumentNode& other);
  DocumentNode& operator=(DocumentNode&& other) noexcept;
  ~DocumentNode();

  [[nodiscard]] const DocumentNode* find(std::string_view key) const;  // null if absent or not a map
  [[nodiscard]] DocumentNode* find(std::string_view key);
  // Each fails with where, what was expected, and what stands there.
  // Plain integers, 0x and 0o, and reals that are whole (1e9); within 64 bits.
  [[nodiscard]] Result<int64_t> as_integer() const;
  [[nodiscard]] Result<double> as_real() const;  // finite
  [[nodiscard]] Result<bool> as_bool() const;
  [[nodiscard]] Result<std::string> as_string() const;
  // Required member of a map; the error lists the keys there are and suggests the nearest.
  [[nodiscard]] Result<const DocumentNode*> at(std::string_view key) const;
};

struct DocumentLimits {
  int64_t max_bytes = 64 << 20;
  int max_depth = 64;
  int64_t max_nodes = 2'000'000;  // after alias expansion
};

Result<DocumentNode> read_yaml_text(std::string_view text, const std::string& file_name,
                                    const DocumentLimits& limits = {});
Result<DocumentNode> read_json_text(std::string_view text, const std::string& file_name,
                                    const DocumentLimits& limits = {});
Result<DocumentNode> read_document(const std::string& path,
                                   const DocumentLimits& limits = {});  // by extension: .yaml .yml .json

// --set path=value: "chip.hbm.bandwidth_bytes_per_s" replaces a scalar that is already there (an unknown path
// is an error that suggests the nearest). `root_name` is the first path element this document answers to
// ("chip", "node", ...).
struct Override {
  std::string path;
  std::string value;
};
Result<Override> parse_override(const std::string& text);  // "path=value"
Status apply_override(DocumentNode& root, std::string_view path_below_root, const std::string& value,
                      const std::string& full_path);

// The paths apply_override would take, each with root_name before it.
std::vector<std::string> scalar_paths(const DocumentNode& root, const std::string& root_name);

// Nearest candidate by edit distance, empty if none is near.
std::string nearest(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace rdusim
