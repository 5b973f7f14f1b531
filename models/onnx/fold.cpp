// Operators of constants, done at once: masks, rotary tables and the arithmetic of shapes that exporters
// leave in a graph. Numbers are FP32; whole numbers are exact to 2^24. Small tensors only: weights stay in
// the file.
#include "models/onnx/fold.h"

#include <algorithm>

namespace rdusim::models::onnx {

Result<Tensor> zeros(const Folding& f, const Dims& dims) {
  int64_t elements = 1;
  for (const int64_t size : dims) {
    if (size < 0 || (size > 0 && elements > kMostFolded / size))
      return f.error(fmt::format("[{}] is too large for a constant", fmt::join(dims, ",")));
    elements *= size;
  }
  Tensor tensor;
  tensor.shape.dims = dims;
  tensor.values.resize(static_cast<size_t>(elements));
  return tensor;
}

std::optional<Dims> strides_over(const Dims& dims, const Dims& over) {
  if (dims.size() > over.size()) return std::nullopt;
  Dims strides(over.size(), 0);
  int64_t stride = 1;
  for (size_t i = dims.size(); i-- > 0;) {
    const size_t at = over.size() - dims.size() + i;
    if (dims[i] != 1 && dims[i] != over[at]) return std::nullopt;
    if (dims[i] != 1) strides[at] = stride;
    stride *= dims[i];
  }
  return strides;
}

int64_t place_in(int64_t index, const Dims& over, const Dims& strides) {
  int64_t place = 0;
  for (size_t i = over.size(); i-- > 0; index /= over[i]) place += index % over[i] * strides[i];
  return place;
}

Result<Dims> common_dims(const Folding& f, const Dims& a, const Dims& b) {
  Dims dims(std::max(a.size(), b.size()), 1);
  for (const Dims* one : {&a, &b}) {
    for (size_t i = 0; i < one->size(); ++i) {
      int64_t& size = dims[dims.size() - one->size() + i];
      if (size == 1) size = (*one)[i];
      if ((*one)[i] != 1 && (*one)[i] != size)
        return f.error(fmt::format("[{}] and [{}]", fmt::join(a, ","), fmt::join(b, ",")));
    }
  }
  return dims;
}

namespace {

using Function = float (*)(float, float, float);

// fn over up to three operands, repeated to their common dims.
Result<Tensor> map(const Folding& f, size_t operands, Function fn) {
  Dims dims;
  for (size_t i = 0; i < operands; ++i) {
    if (!f.has(i)) return f.error(fmt::format("operand {} is missing", i));
    RDU_ASSIGN(dims, common_dims(f, dims, f.tensors[i].shape.dims));
  }
  RDU_ASSIGN(Tensor result, zeros(f, dims));
  Dims strides[3];
  for (size_t i = 0; i < operands; ++i) strides[i] = strides_over(f.tensors[i].shape.dims, dims).value();
  for (size_t e = 0; e < result.values.size(); ++e) {
    float v[3] = {};
    for (size_t i = 0; i < operands; ++i)
      v[i] = f.tensors[i].values[static_cast<size_t>(place_in(static_cast<int64_t>(e), dims, strides[i]))];
    result.values[e] = fn(v[0], v[1], v[2]);
  }
  return result;
}

// ------------------------------------------------------------------------------------------------ the
// operators

Result<Tensor> fold_constant(const Folding& f) {
  if (const OnnxAttribute* value = f.node.find("value"); value != nullptr && value->tensor)
    return f.importer.values_of(
        Constant{value->tensor->shape.dims, &*value->tensor, nullptr, is_whole(value->tensor->type)});
  Tensor result;
  if (const OnnxAttribute* value = f.node.find("value_float"))
    result.values = {value->real};
  else if (const OnnxAttribute* whole = f.node.find("value_int"))
    result.values = {static_cast<float>(whole->integer)};
  else if (const OnnxAttribute* reals = f.node.find("value_floats")) {
    result.values = reals->reals;
    result.shape.dims = {static_cast<int64_t>(reals->reals.size())};
  } else if (const OnnxAttribute* list = f.node.find("value_ints")) {
    for (const int64_t number : list->integers) result.values.push_back(static_cast<float>(number));
    result.shape.dims = {static_cast<int64_t>(list->integers.size())};
  } else {
    return f.error("a constant of no supported kind");
  }
  return result;
}

Result<Tensor> fold_cast(const Folding& f) {
  const int64_t to = f.node.integer("to", 1);
  if (to == 1 || to == 10 || to == 11 || to == 16) return f.tensors[0];
  return map(
      f, 1, to == 9 ? [](float a, float, float) { return a != 0 ? 1.0F : 0.0F; } : [](float a, float, float) {
        return std::trunc(a);
      });
}
Result<Tensor> fold_neg(const Folding& f) {
  return map(f, 1, [](float a, float, float) { return -a; });
}
Result<Tensor> fold_sqrt(const Folding& f) {
  return map(f, 1, [](float a, float, float) { return std::sqrt(a); });
}
Result<Tensor> fold_reciprocal(const Folding& f) {
  return map(f, 1, [](float a, float, float) { return 1.0F / a; });
}
Result<Tensor> fold_exp(const Folding& f) {
  return map(f, 1, [](float a, float, float) { return std::exp(a); });
}
Result<Tensor> fold_cos(const Folding& f) {
  return map(f, 1,
             [](float a, float, float) { return static_cast<float>(std::cos(static_cast<double>(a))); });
}
Result<Tensor> fold_sin(const Folding& f) {
  return map(f, 1,
             [](float a, float, float) { return static_cast<float>(std::sin(static_cast<double>(a))); });
}
Result<Tensor> fold_add(const Folding& f) {
  return map(f, 2, [](float a, float b, float) { return a + b; });
}
Result<Tensor> fold_sub(const Folding& f) {
  return map(f, 2, [](float a, float b, float) { return a - b; });
}
Result<Tensor> fold_mul(const Folding& f) {
  return map(f, 2, [](float a, float b, float) { return a * b; });
}
Result<Tensor> fold_div(const Folding& f) {
  if (!f.whole) return map(f, 2, [](float a, float b, float) { return a / b; });
  for (const float divisor : f.tensors.size() == 2 ? f.tensors[1].values : std::vector<float>()) {
    if (divisor == 0) return f.error("a whole number divided by zero");
  }
  return map(f, 2, [](float a, float b, float) { return std::trunc(a / b); });
}
Result<Tensor> fold_pow(const Folding& f) {
  return map(f, 2, [](float a, float b, float) {
    return static_cast<float>(std::pow(static_cast<double>(a), static_cast<double>(b)));
  });
}
Result<Tensor> fold_equal(const Folding& f) {
  return map(f, 2, [](float a, float b, float) { return a == b ? 1.0F : 0.0F; });
}
Result<Tensor> fold_less(const Folding& f) {
  return map(f, 2, [](float a, float b, float) { return a < b ? 1.0F : 0.0F; });
}
Result<Tensor> fold_greater(const Folding& f) {
  return map(f, 2, [](float a, float b, float) { return a > b ? 1.0F : 0.0F; });
}
Result<Tensor> fold_less_or_equal(const Folding& f) {
  return map(f, 2, [](float a, float b, float) { return a <= b ? 1.0F : 0.0F; });
}
Result<Tensor> fold_greater_or_equal(const Folding& f) {
  return map(f, 2, [](float a, float b, float) { return a >= b ? 1.0F : 0.0F; });
}
Result<Tensor> fold_not(const Folding& f) {
  return map(f, 1, [](float a, float, float) { return a == 0 ? 1.0F : 0.0F; });
}
Result<Tensor> fold_and(const Folding& f) {
  return map(f, 2, [](float a, float b, float) { return a != 0 && b != 0 ? 1.0F : 0.0F; });
}
Result<Tensor> fold_or(const Folding& f) {
  return map(f, 2, [](float a, float b, float) { return a != 0 || b != 0 ? 1.0F : 0.0F; });
}
Result<Tensor> fold_where(const Folding& f) {
  return map(f, 3, [](float a, float b, float c) { return a != 0 ? b : c; });
}

Result<Tensor> fold_constant_of_shape(const Folding& f) {
  RDU_ASSIGN(const Dims dims, f.integers(0));
  RDU_ASSIGN(Tensor result, zeros(f, dims));
  if (const OnnxAttribute* value = f.node.find("value"); value != nullptr && value->tensor) {
    RDU_ASSIGN(const Tensor one, f.importer.values_of(Constant{value->tensor->shape.dims, &*value->tensor,
                                                               nullptr, is_whole(value->tensor->type)}));
    if (one.values.empty()) return f.error("an empty value");
    std::fill(result.values.begin(), result.values.end(), one.values.front());
  }
  return result;
}

Result<Tensor> fold_range(const Folding& f) {
  if (!f.has(0) || !f.has(1) || !f.has(2) || f.tensors[0].values.size() != 1 ||
      f.tensors[1].values.size() != 1 || f.tensors[2].values.size() != 1)
    return f.error("a range of three numbers is needed");
  const double start = static_cast<double>(f.tensors[0].values.front());
  const double step = static_cast<double>(f.tensors[2].values.front());
  const double count = std::ceil((static_cast<double>(f.tensors[1].values.front()) - start) / step);
  if (!(count <= static_cast<double>(kMostFolded))) return f.error("a range without end");
  RDU_ASSIGN(Tensor result, zeros(f, {static_cast<int64_t>(std::max(0.0, count))}));
  for (size_t i = 0; i < result.values.size(); ++i)
    result.values[i] = static_cast<float>(start + step * static_cast<double>(i));
  return result;
}

// Of the last two axes, the others repeated (rotary angles are a column times a row).
Result<Tensor> fold_matmul(const Folding& f) {
  const Dims& a = f.tensors[0].shape.dims;
  const Dims& b = f.tensors.size() > 1 ? f.tensors[1].shape.dims : a;
  if (f.tensors.size() != 2 || a.size() < 2 || b.size() < 2 || a.back() != b[b.size() - 2])
    return f.error("a product of constants that do not fit");
  RDU_ASSIGN(Dims dims, common_dims(f, Dims(a.begin(), a.end() - 2), Dims(b.begin(), b.end() - 2)));
  Dims sa = strides_over(Dims(a.begin(), a.end() - 2), dims).value();
  Dims sb = strides_over(Dims(b.begin(), b.end() - 2), dims).value();
  const int64_t m = a[a.size() - 2], k = a.back(), n = b.back();
  const Dims outer = dims;
  const int64_t products = product(outer);
  dims.push_back(m);
  dims.push_back(n);
  RDU_ASSIGN(Tensor result, zeros(f, dims));
  if (static_cast<double>(result.values.size()) * static_cast<double>(k) > 0x1p30)
    return f.error("too much work");
  for (int64_t o = 0; o < products; ++o) {
    const float* const left = f.tensors[0].values.data() + place_in(o, outer, sa) * m * k;
    const float* const right = f.tensors[1].values.data() + place_in(o, outer, sb) * k * n;
    for (int64_t e = 0; e < m * n; ++e) {
      float sum = 0;
      for (int64_t i = 0; i < k; ++i) sum += left[e / n * k + i] * right[i * n + e % n];
      result.values[static_cast<size_t>(o * m * n + e)] = sum;
    }
  }
  return result;
}

struct Fold {
  std::string_view op_type;
  Result<Tensor> (*run)(const Folding&);
};
constexpr Fold kFolds[] = {
    {"Add", fold_add},
    {"And", fold_and},
    {"Cast", fold_cast},
    {"Concat", fold_concat},
    {"Cos", fold_cos},
    {"Div", fold_div},
    {"Equal", fold_equal},
    {"Exp", fold_exp},
    {"Expand", fold_expand},
    {"Gather", fold_gather},
    {"Greater", fold_greater},
    {"GreaterOrEqual", fold_greater_or_equal},
    {"Less", fold_less},
    {"LessOrEqual", fold_less_or_equal},
    {"MatMul", fold_matmul},
    {"Mul", fold_mul},
    {"Neg", fold_neg},
    {"Not", fold_not},
    {"Or", fold_or},
    {"Pow", fold_pow},
    {"Range", fold_range},
    {"Reciprocal", fold_reciprocal},
    {"Reshape", fold_reshape},
    {"Sin", fold_sin},
    {"Slice", fold_slice},
    {"Sqrt", fold_sqrt},
    {"Squeeze", fold_squeeze},
    {"Sub", fold_sub},
    {"Transpose", fold_transpose},
    {"Trilu", fold_trilu},
    {"Unsqueeze", fold_unsqueeze},
    {"Where", fold_where},
    {"ConstantOfShape", fold_constant_of_shape},
};

Result<Constant> folded(Result<Tensor> tensor, bool whole) {
  if (!tensor.ok()) return tensor.take_error();
  Dims dims = tensor->shape.dims;
  return Constant{std::move(dims), nullptr, std::make_shared<const Tensor>(std::move(*tensor)), whole};
}

// Whether the constant that a node makes is of an integer type; `operands`: whether all of its operands are.
bool makes_whole(const OnnxNode& node, bool operands) {
  const auto is_real = [](int64_t type) { return type == 1 || type == 10 || type == 11 || type == 16; };
  if (node.op_type == "Cast") return !is_real(node.integer("to", 1));
  // Booleans count as whole numbers: a choice by one has the type of what is chosen.
  constexpr std::string_view kBoolean[] = {"And",  "Equal",       "Greater", "GreaterOrEqual",
                                           "Less", "LessOrEqual", "Not",     "Or"};
  if (std::find(std::begin(kBoolean), std::end(kBoolean), node.op_type) != std::end(kBoolean)) return true;
  if (node.op_type == "Constant" || node.op_type == "ConstantOfShape") {
    const OnnxAttribute* value = node.find("value");
    if (value != nullptr && value->tensor) return is_whole(value->tensor->type);
    return node.find("value_int") != nullptr || node.find("value_ints") != nullptr;
  }
  constexpr std::string_view kReal[] = {"Cos", "Sin", "Exp", "Sqrt", "Reciprocal"};
  return operands && std::find(std::begin(kReal), std::end(kReal), node.op_type) == std::end(kReal);
}

}  // namespace

std::optional<Result<Constant>> fold(const Importer& importer, const OnnxNode& node) {
  if (!node.domain.empty()) return std::nullopt;
  Folding folding{importer, node, {}, {}};
  if (node.op_type == "Constant") return folded(fold_constant(folding), makes_whole(node, false));
  if (node.op_type == "Shape" && importer.operand(node, 0) != nullptr) {
    Tensor shape;
    for (const int64_t size : dims_of(*importer.operand(node, 0)))
      shape.values.push_back(static_cast<float>(size));
    shape.shape.dims = {static_cast<int64_t>(shape.values.size())};
    return folded(std::move(shape), true);
  }
  const auto fold = std::find_if(std::begin(kFolds), std::end(kFolds),
                                 [&node](const Fold& f) { return f.op_type == node.op_type; });
  if (fold == std::end(kFolds) || node.inputs.empty() || importer.operand(node, 0) == nullptr)
    return std::nullopt;
  int64_t elements = 0;
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    const Item* item = importer.operand(node, i);
    const auto* constant = item == nullptr ? nullptr : std::get_if<Constant>(item);
    if (item != nullptr && constant == nullptr) return std::nullopt;
    folding.given.push_back(constant != nullptr);
    folding.tensors.emplace_back();
    if (constant == nullptr) continue;
    folding.whole = folding.whole && constant->whole;
    elements += product(constant->dims);
    if (elements > kMostFolded)
      return Result<Constant>(
          importer.error(node, "arithmetic of constants this large", "only small ones are folded"));
    Result<Tensor> values = importer.values_of(*constant);
    if (!values.ok()) return Result<Constant>(values.take_error());
    folding.tensors.back() = std::move(*values);
  }
  return folded(fold->run(folding), makes_whole(node, folding.whole));
}

}  // namespace rdusim::models::onnx
