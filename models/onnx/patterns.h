// Compositions that exporters write where a graph has one operator. A pattern looks backwards from its last
// node, by structure and by constants that stand in the file; what it takes in is not imported on its own.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/io/onnx_file.h"
#include "models/onnx/importer.h"

namespace rdusim::models::onnx {

// The nodes by what they make.
class NodeIndex {
 public:
  explicit NodeIndex(const OnnxFile& file);

  // Null: an input or an initialiser.
  [[nodiscard]] const OnnxNode* producer(const std::string& name) const;
  // The producer if it is this operator, else null. Casts and identities before it are passed over. It has
  // two inputs where the operator has two operands, else at least one.
  [[nodiscard]] const OnnxNode* producer(const std::string& name, const char* op_type) const;
  // Before casts and identities.
  [[nodiscard]] std::string origin(std::string name) const;
  [[nodiscard]] bool same(const std::string& a, const std::string& b) const { return origin(a) == origin(b); }
  // An initialiser or a Constant node, perhaps cast.
  [[nodiscard]] const OnnxTensor* constant(const std::string& name) const;
  // Its value if it is a single number.
  [[nodiscard]] std::optional<double> number(const std::string& name) const;
  [[nodiscard]] bool is_number(const std::string& name, double wanted) const;
  // All factors of a product of products, casts passed over; at most `depth` products deep.
  [[nodiscard]] std::vector<std::string> factors(const std::string& name, int depth) const;

 private:
  const OnnxFile& file_;
  std::map<std::string, const OnnxNode*> producers_;
};

// `node` is the last of the pattern.
using Matcher = std::optional<Match> (*)(const NodeIndex& index, const OnnxNode& node);

#define RDU_ONNX_PATTERN(match) std::optional<Match> match(const NodeIndex& index, const OnnxNode& node);
#include "models/onnx/patterns.def"
#undef RDU_ONNX_PATTERN

// The first pattern that ends at this node.
std::optional<Match> find_pattern(const NodeIndex& index, const OnnxNode& node);

}  // namespace rdusim::models::onnx
