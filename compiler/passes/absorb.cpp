// absorb: operators that another one can do at no cost go into it, as imported graphs have them:
//
//   scale -> attention   a factor of the queries, or of keys that no cache keeps, joins the factor of the
//   scores linear -> add row    a row that is added to a product becomes its bias
//
// Only where nobody else reads the operand. Values stay, but for roundings between the two that are left out.
// The absorbed operators are not read any more; simplify drops them.
#include <algorithm>

#include "compiler/passes/pass.h"

namespace rdusim::compiler {
namespace {

class Absorber {
 public:
  explicit Absorber(Graph& graph) : graph_(graph), readers_(graph.values.size()) {
    for (const Node& node : graph.nodes) {
      for (const ValueId id : node.inputs) ++readers_[id.value];
    }
  }

  void run() {
    for (Node& node : graph_.nodes) {
      if (node.op == OpKind::kAttention) absorb_scales(node);
      if (node.op == OpKind::kAdd) absorb_bias(node);
    }
  }

 private:
  // The node that makes a value which nobody but its one reader needs; null: another operator, or more
  // readers.
  [[nodiscard]] const Node* only_for_reader(ValueId id, OpKind op) const {
    const Value& value = graph_.value(id);
    if (!value.producer || value.role != SymbolRole::kActivation || readers_[id.value] != 1) return nullptr;
    const Node& node = graph_.node(*value.producer);
    return node.op == op ? &node : nullptr;
  }

  void absorb_scales(Node& attention) {
    constexpr size_t kKeys = 1, kFirstCache = 3;
    const bool cached = attention.inputs.size() > kFirstCache + 1;
    for (size_t i = 0; i <= kKeys; ++i) {
      const Node* scale = only_for_reader(attention.inputs[i], OpKind::kScale);
      if (scale == nullptr || (i == kKeys && cached)) continue;
      const auto factor = std::find_if(attention.attributes.begin(), attention.attributes.end(),
                                       [](const Attribute& attribute) { return attribute.name == "scale"; });
      factor->value = std::get<double>(factor->value) * scale->real("scale");
      attention.inputs[i] = scale->inputs[0];
    }
  }

  void absorb_bias(Node& add) {
    const Node* linear = only_for_reader(add.inputs[0], OpKind::kLinear);
    const Value& row = graph_.value(add.inputs[1]);
    const bool constant = row.role == SymbolRole::kWeight || row.role == SymbolRole::kConstant;
    if (linear == nullptr || linear->inputs.size() != 2 || !constant || row.shape.rows() != 1) return;
    add.op = OpKind::kLinear;
    add.inputs = {linear->inputs[0], linear->inputs[1], add.inputs[1]};
  }

  Graph& graph_;
  std::vector<int64_t> readers_;  // by value
};

}  // namespace

Status absorb(Compilation& compilation) {
  Absorber(compilation.graph).run();
  return {};
}

}  // namespace rdusim::compiler
