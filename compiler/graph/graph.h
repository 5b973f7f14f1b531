// Graph: what to compute. Static single assignment over tensors; nodes are immutable once added.
//
// Batch, sequence length and phase are bound when the graph is built (models/). Every tensor is seen as a
// matrix: rows are tokens (sequence-major: row b * tokens + t), columns are features. Text form:
// graph_text.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/dtype.h"
#include "base/ids.h"
#include "base/program/program.h"
#include "base/result.h"
#include "base/tensor.h"

namespace rdusim::compiler {

// All operators; one record each in compiler/ops/<name>.cpp (see compiler/ops/op.h).
enum class OpKind : uint8_t {
#define RDU_OP(enumerator, name) enumerator,
#include "compiler/ops/ops.def"
#undef RDU_OP
};
std::string_view op_name(OpKind op);
std::optional<OpKind> op_from_name(std::string_view name);

using AttributeValue = std::variant<int64_t, double>;
struct Attribute {
  std::string name;
  AttributeValue value;
  friend bool operator==(const Attribute&, const Attribute&) = default;
};

// How a tensor lies over the sockets. Set by the shard pass; kReplicated before it.
struct Value {
  std::string name;
  Shape shape;  // of one socket's part after the shard pass (socket 0's: the largest)
  DType dtype = DType::kBf16;
  SymbolRole role = SymbolRole::kActivation;
  std::string source;  // tensor in the weights file, constant generator or input name; empty for activations
  Shape full_shape;    // of the unsharded tensor
  Shard shard;
  std::optional<NodeId> producer;
  friend bool operator==(const Value&, const Value&) = default;
};

struct Node {
  OpKind op;
  std::string name;
  std::vector<ValueId> inputs;
  std::vector<ValueId> outputs;
  std::vector<Attribute> attributes;  // sorted by name
  std::optional<int64_t> layer;       // which repetition of the repeated block it belongs to
  friend bool operator==(const Node&, const Node&) = default;

  // Attributes are declared by the operator's record; asking for a missing one is a bug of ours (CHECK).
  [[nodiscard]] int64_t integer(std::string_view attribute) const;
  [[nodiscard]] double real(std::string_view attribute) const;
  [[nodiscard]] bool has(std::string_view attribute) const;
};

struct Graph {
  std::string name;
  std::string phase;  // "prefill", "decode", "embed", "route"
  int64_t batch = 1;
  int64_t query_tokens = 1;  // new tokens a sequence
  int64_t past_tokens = 0;   // cached tokens a sequence
  int64_t sockets = 1;       // 1 before the shard pass
  std::vector<Value> values;
  std::vector<Node> nodes;  // in topological order
  friend bool operator==(const Graph&, const Graph&) = default;

  [[nodiscard]] const Value& value(ValueId id) const { return values[id.value]; }
  [[nodiscard]] const Node& node(NodeId id) const { return nodes[id.value]; }
};

// Appends to a graph; infers the shapes of results and checks operands through the operator records.
class GraphBuilder {
 public:
  explicit GraphBuilder(Graph graph) : graph_(std::move(graph)) {}

  // Data type of later results; without it a result has the type of its first operand that is not an integer.
  void set_activation_dtype(DType dtype) { activation_dtype_ = dtype; }
  // A tensor that the graph reads: weight, constant, input, KV cache.
  ValueId add_source(std::string name, Shape shape, DType dtype, SymbolRole role, std::string source);
  // A node with one result named `name`. Returns the operator's own error when operands do not fit.
  Result<ValueId> add(OpKind op, std::string name, std::vector<ValueId> inputs,
                      std::vector<Attribute> attributes = {});
  void set_layer(std::optional<int64_t> layer) { layer_ = layer; }
  void set_role(ValueId value, SymbolRole role) { graph_.values[value.value].role = role; }
  void set_dtype(ValueId value, DType dtype) { graph_.values[value.value].dtype = dtype; }
  [[nodiscard]] const Graph& graph() const { return graph_; }
  Graph take() && { return std::move(graph_); }

 private:
  [[nodiscard]] DType result_dtype(const std::vector<ValueId>& inputs) const;

  Graph graph_;
  std::optional<int64_t> layer_;
  std::optional<DType> activation_dtype_;
};

}  // namespace rdusim::compiler
