// Reference interpreter: runs a graph operator by operator through the records' reference functions, in FP32,
// slow and obvious. The golden model of everything below the graph.
//
// Values are given by set() or set_source(); KV caches live in a KvStore that outlasts the interpreter, so a
// prefill graph and the decode graphs after it share them by value name.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/tensor.h"
#include "compiler/graph/graph.h"

namespace rdusim::compiler {

using KvStore = std::map<std::string, Tensor>;  // by value name; [batch * capacity, kv_heads * head_dim]

class Interpreter {
 public:
  // `round_bf16`: results whose value is stored as BF16 are rounded to it; false keeps FP32 throughout.
  // Without `kv` the caches start empty and end with the interpreter. `graph` and `kv` outlive it.
  Interpreter(const Graph& graph, bool round_bf16, KvStore* kv = nullptr);

  // Gives a source (weight, constant, input) its tensor. Fails when the shape differs from the value's, or
  // when token ids lie outside the table they index.
  Status set(ValueId value, Tensor tensor);
  // The same without a copy; `tensor` outlives the interpreter.
  Status set_view(ValueId value, const Tensor* tensor);

  // Runs all nodes. Fails, naming it, when a source was not set or a cache in the store has another shape.
  Status run();
  // A result after run(), or a source.
  [[nodiscard]] const Tensor& get(ValueId value) const;

 private:
  Status check_shape(ValueId value, const Tensor& tensor) const;
  Status check_row_numbers(ValueId value, const Tensor& tensor) const;
  Status bind_caches();
  Status check_sources() const;
  void run_node(const Node& node);

  const Graph& graph_;
  bool round_bf16_;
  KvStore own_kv_;
  KvStore* kv_;
  std::vector<Tensor> owned_;
  std::vector<const Tensor*> tensors_;  // by value; null: not there yet
  std::vector<Tensor*> caches_;         // by value; null: not a cache
};

}  // namespace rdusim::compiler
