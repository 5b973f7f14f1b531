// What the operators ask of an Importer: operands as activations, constants, weights and rows.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "models/onnx/importer.h"

namespace rdusim::models::onnx {

using compiler::OpKind;

namespace {
constexpr int64_t kMostTable = int64_t{1} << 28;  // elements of a constant that is laid out
}

std::vector<int64_t> dims_of(const Item& item) {
  if (const auto* constant = std::get_if<Constant>(&item)) return constant->dims;
  if (const auto* activation = std::get_if<Activation>(&item)) return activation->view.dims();
  const Scores& scores = std::get<Scores>(item);
  std::vector<int64_t> dims = scores.queries.view.dims();
  dims.back() = scores.keys.view.dims().back();
  return dims;
}

const Item* Importer::item(const std::string& name) const {
  const auto found = items_.find(name);
  return found == items_.end() ? nullptr : &found->second;
}

const Item* Importer::operand(const OnnxNode& node, size_t i) const {
  return i < node.inputs.size() && !node.inputs[i].empty() ? item(node.inputs[i]) : nullptr;
}

Result<std::string> Importer::required(const OnnxNode& node, size_t i) const {
  if (operand(node, i) != nullptr) return node.inputs[i];
  return error(node, fmt::format("operand {} is missing", i));
}

Result<Activation> Importer::activation(const OnnxNode& node, const std::string& name) const {
  const Item* found = item(name);
  const auto* activation = found == nullptr ? nullptr : std::get_if<Activation>(found);
  if (activation != nullptr) return *activation;
  return error(node, fmt::format("{} is {}, where an activation is supported", name,
                                 found == nullptr                           ? "missing"
                                 : std::holds_alternative<Constant>(*found) ? "a constant"
                                                                            : "the scores of an attention"));
}

Result<Activation> Importer::whole_rows(const OnnxNode& node, const std::string& name) const {
  RDU_ASSIGN(Activation x, activation(node, name));
  if (x.view.is_of_rows(value(x.value).shape.cols())) return x;
  return error(node,
               fmt::format("{} is a part of the rows of a matrix, or its columns are not in order", name),
               "whole rows are supported: the last axis as a product or norm left it");
}

Result<Tensor> Importer::values_of(const Constant& constant) const {
  if (constant.stored == nullptr) return *constant.values;
  RDU_ASSIGN(Tensor tensor, file_.read(*constant.stored));
  tensor.shape.dims = constant.dims;
  return tensor;
}

Result<Tensor> Importer::values(const OnnxNode& node, const std::string& name) const {
  const Item* found = item(name);
  const auto* constant = found == nullptr ? nullptr : std::get_if<Constant>(found);
  if (constant != nullptr) return values_of(*constant);
  return error(node, fmt::format("{} is no constant", name),
               "it must follow from initialisers and shapes alone");
}

Result<std::vector<int64_t>> Importer::integers(const OnnxNode& node, const std::string& name) const {
  RDU_ASSIGN(const Tensor tensor, values(node, name));
  std::vector<int64_t> numbers;
  for (const float value : tensor.values) {
    if (value != std::floor(value) || std::abs(value) > 0x1p31F)
      return error(node, fmt::format("{} has {} where whole numbers are needed", name, value));
    numbers.push_back(static_cast<int64_t>(value));
  }
  return numbers;
}

ValueId Importer::source(const std::string& name, const std::string& key, Shape shape, SymbolRole role,
                         Import::Source source) {
  if (const auto known = by_source_.find(key); known != by_source_.end()) return known->second;
  const DType dtype = role == SymbolRole::kWeight ? request_.weights : DType::kFp32;
  const ValueId id = builder_->add_source(unique_name(name), std::move(shape), dtype, role, key);
  import_.sources_[key] = std::move(source);
  by_source_[key] = id;
  return id;
}

Result<ValueId> Importer::weight(const OnnxNode& node, const std::string& name, bool turned) {
  const Item* found = item(name);
  const auto* constant = found == nullptr ? nullptr : std::get_if<Constant>(found);
  if (constant == nullptr || constant->dims.size() != 2)
    return error(node, fmt::format("{} is no constant matrix", name));
  Shape shape{constant->dims};
  if (turned) std::swap(shape.dims[0], shape.dims[1]);
  // Named after the node, which says the layer.
  return source(node.outputs.front() + ".w", turned ? name + " transposed" : name, std::move(shape),
                SymbolRole::kWeight, {constant->stored, turned, constant->values});
}

ValueId Importer::table(const std::string& name, Tensor tensor) {
  Shape shape{{tensor.rows(), tensor.cols()}};
  return source(name, name, std::move(shape), SymbolRole::kConstant,
                {nullptr, false, std::make_shared<const Tensor>(std::move(tensor))});
}

Result<ValueId> Importer::row_operand(const OnnxNode& node, const std::string& name, int64_t cols,
                                      float fill) {
  if (cols > kMostTable) return error(node, "a row this long");
  Tensor row(1, cols);
  std::fill(row.values.begin(), row.values.end(), fill);
  if (name.empty()) return table(fmt::format("{} x {}", fill, cols), std::move(row));
  RDU_ASSIGN(const Tensor given, values(node, name));
  if (given.shape.elements() != cols && given.shape.elements() != 1)
    return error(
        node, fmt::format("{} has {} elements, a row of {} is needed", name, given.shape.elements(), cols));
  const bool one = given.shape.elements() == 1 && cols != 1;
  const auto* constant = std::get_if<Constant>(item(name));
  if (!one) {
    return source(node.outputs.front() + ".row", name, Shape{{1, cols}}, SymbolRole::kWeight,
                  {constant->stored, false, constant->values});
  }
  std::fill(row.values.begin(), row.values.end(), given.values.front());
  return table(name + " as a row", std::move(row));
}

Status Importer::linear(const OnnxNode& node, const Activation& x, const std::string& w, bool turned,
                        const std::string& bias) {
  RDU_ASSIGN(const ValueId weights, weight(node, w, turned));
  std::vector<ValueId> inputs = {x.value, weights};
  const int64_t outputs = value(weights).shape.rows();
  if (!bias.empty()) {
    RDU_ASSIGN(const ValueId row, row_operand(node, bias, outputs, 0));
    inputs.push_back(row);
  }
  return emit(node, OpKind::kLinear, std::move(inputs),
              x.view.with_columns(value(x.value).shape.cols(), outputs));
}

namespace {

// Elements of a constant by the place of an element in the matrix of a view.
class Layout {
 public:
  Layout(const std::vector<int64_t>& dims, const View& view) {
    int64_t stride = 1;
    for (size_t i = dims.size(); i-- > 0;) {
      const View::Axis& axis = view.axis(view.rank() - dims.size() + i);
      int64_t inner = 1;
      for (size_t f = axis.size(); f-- > 0 && dims[i] != 1;) {
        steps_.push_back({axis[f], inner * stride});
        inner *= axis[f].size;
      }
      stride *= dims[i];
    }
  }
  [[nodiscard]] int64_t at(int64_t place) const {
    int64_t index = 0;
    for (const Step& step : steps_) index += place / step.factor.stride % step.factor.size * step.stride;
    return index;
  }
  [[nodiscard]] bool repeats() const {
    return std::any_of(steps_.begin(), steps_.end(), [](const Step& s) { return s.factor.stride == 0; });
  }
  // Whether it differs over elements that are `stride` or more apart.
  [[nodiscard]] bool reaches(int64_t stride) const {
    return std::any_of(steps_.begin(), steps_.end(),
                       [stride](const Step& s) { return s.factor.size * s.factor.stride > stride; });
  }

 private:
  struct Step {
    Factor factor;
    int64_t stride;  // in the constant
  };
  std::vector<Step> steps_;
};

}  // namespace

Result<Tensor> Importer::laid_out(const OnnxNode& node, const std::string& name,
                                  const Activation& over) const {
  RDU_ASSIGN(const Tensor tensor, values(node, name));
  std::vector<int64_t> dims = tensor.shape.dims;
  while (dims.size() > over.view.rank() && dims.front() == 1) dims.erase(dims.begin());
  const std::vector<int64_t> target = over.view.dims();
  bool fits = dims.size() <= target.size();
  for (size_t i = 0; fits && i < dims.size(); ++i)
    fits = dims[i] == 1 || dims[i] == target[target.size() - dims.size() + i];
  if (!fits) return error(node, fmt::format("{} does not fit the other operand", name));
  if (tensor.shape.elements() == 1) {
    Tensor one(1, 1);
    one.values = tensor.values;
    return one;
  }
  const Shape& shape = value(over.value).shape;
  if (shape.cols() * tokens_ > kMostTable) return error(node, "a table this large");
  const Layout layout(dims, over.view);
  const bool by_token = layout.reaches(shape.cols());
  if (layout.repeats() || layout.reaches(shape.cols() * tokens_) ||
      (by_token && shape.rows() != batch_ * tokens_))
    return error(node, fmt::format("{} differs by more than token and column", name));
  Tensor result(by_token ? tokens_ : 1, shape.cols());
  for (size_t i = 0; i < result.values.size(); ++i)
    result.values[i] = tensor.values[static_cast<size_t>(layout.at(static_cast<int64_t>(i)))];
  return result;
}

}  // namespace rdusim::models::onnx
