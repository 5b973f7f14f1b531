// See interpreter.h.
#include "compiler/graph/interpreter.h"

#include <fmt/format.h>

#include "base/check.h"
#include "compiler/ops/op.h"
#include "compiler/ops/operands.h"

namespace rdusim::compiler {

Interpreter::Interpreter(const Graph& graph, bool round_bf16, KvStore* kv)
    : graph_(graph),
      round_bf16_(round_bf16),
      kv_(kv != nullptr ? kv : &own_kv_),
      owned_(graph.values.size()),
      tensors_(graph.values.size()),
      caches_(graph.values.size()) {}

Status Interpreter::check_shape(ValueId value, const Tensor& tensor) const {
  const Value& wanted = graph_.value(value);
  if (tensor.rows() == wanted.shape.rows() && tensor.cols() == wanted.shape.cols()) return {};
  return Error{ErrorCode::kInvalidInput,
               fmt::format("tensor {}", wanted.source.empty() ? wanted.name : wanted.source),
               fmt::format("has shape {} but {} of graph {} is {}", shape_text(tensor.shape), wanted.name,
                           graph_.name, shape_text(wanted.shape)),
               "check that the weights and the inputs belong to this config"};
}

// Row numbers come from outside (token ids), so they are checked here and not by a CHECK in the operator.
Status Interpreter::check_row_numbers(ValueId value, const Tensor& tensor) const {
  for (const Node& node : graph_.nodes) {
    if (node.op != OpKind::kEmbedding || node.inputs[0] != value) continue;
    const int64_t rows = operand(graph_, node, 1).shape.rows();
    for (int64_t r = 0; r < tensor.rows(); ++r) {
      const float id = tensor.at(r, 0);
      if (id >= 0 && id < static_cast<float>(rows) && id == static_cast<float>(static_cast<int64_t>(id)))
        continue;
      return Error{ErrorCode::kOutOfRange, fmt::format("{}, row {}", graph_.value(value).name, r),
                   fmt::format("{} is not a row of {}", id, operand(graph_, node, 1).name),
                   fmt::format("ids are whole numbers from 0 to {}", rows - 1)};
    }
  }
  return {};
}

Status Interpreter::set(ValueId value, Tensor tensor) {
  owned_[value.value] = std::move(tensor);
  return set_view(value, &owned_[value.value]);
}

Status Interpreter::set_view(ValueId value, const Tensor* tensor) {
  RDU_CHECK(!graph_.value(value).producer.has_value(), "{} is computed, not given", graph_.value(value).name);
  RDU_CHECK_OK(check_shape(value, *tensor));
  RDU_CHECK_OK(check_row_numbers(value, *tensor));
  tensors_[value.value] = tensor;
  return {};
}

Status Interpreter::bind_caches() {
  for (size_t i = 0; i < graph_.values.size(); ++i) {
    const Value& value = graph_.values[i];
    if (value.role != SymbolRole::kKvCache && value.role != SymbolRole::kState) continue;
    const auto [entry, fresh] = kv_->try_emplace(value.name, Tensor(value.shape.rows(), value.shape.cols()));
    if (fresh && graph_.past_tokens > 0) {
      kv_->erase(entry);
      return Error{ErrorCode::kNotFound, fmt::format("graph {}, cache {}", graph_.name, value.name),
                   fmt::format("is not filled, but {} tokens are past", graph_.past_tokens),
                   "run the prefill first"};
    }
    RDU_CHECK_OK(check_shape(ValueId(i), entry->second));
    tensors_[i] = &entry->second;
    caches_[i] = &entry->second;
  }
  return {};
}

Status Interpreter::check_sources() const {
  for (size_t i = 0; i < graph_.values.size(); ++i) {
    if (graph_.values[i].producer.has_value() || tensors_[i] != nullptr) continue;
    return Error{ErrorCode::kNotFound,
                 fmt::format("graph {}, {} {}", graph_.name, symbol_role_name(graph_.values[i].role),
                             graph_.values[i].name),
                 "has no tensor", "give every weight, constant and input of the graph"};
  }
  return {};
}

void Interpreter::run_node(const Node& node) {
  ReferenceContext context;
  context.graph = &graph_;
  context.node = &node;
  context.round_bf16 = round_bf16_;
  for (const ValueId input : node.inputs) {
    context.inputs.push_back(tensors_[input.value]);
    context.state.push_back(caches_[input.value]);
  }
  const ValueId output = node.outputs.front();
  owned_[output.value] = op_record(node.op).reference(context);
  const Tensor& result = owned_[output.value];
  const Shape& promised = graph_.value(output).shape;
  RDU_CHECK(result.rows() == promised.rows() && result.cols() == promised.cols(),
            "{}: reference gives {}, infer {}", node.name, shape_text(result.shape), shape_text(promised));
  tensors_[output.value] = &result;
}

Status Interpreter::run() {
  RDU_CHECK_OK(bind_caches());
  RDU_CHECK_OK(check_sources());
  for (const Node& node : graph_.nodes) run_node(node);
  return {};
}

const Tensor& Interpreter::get(ValueId value) const {
  RDU_CHECK(tensors_[value.value] != nullptr, "{} has no tensor yet", graph_.value(value).name);
  return *tensors_[value.value];
}

}  // namespace rdusim::compiler
