// What the operators of constants share: see fold.cpp (arithmetic) and fold_layout.cpp (order and shape).
#pragma once

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>
#include <cstdint>
#include <functional>
#include <numeric>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "models/onnx/importer.h"

namespace rdusim::models::onnx {

using Dims = std::vector<int64_t>;

inline constexpr int64_t kMostFolded = int64_t{1} << 24;  // elements

// One node, its constant operands read.
struct Folding {
  const Importer& importer;
  const OnnxNode& node;
  std::vector<Tensor> tensors;
  std::vector<bool> given;
  bool whole = true;  // every operand that is given is of an integer type

  [[nodiscard]] Error error(std::string what) const { return importer.error(node, std::move(what)); }
  [[nodiscard]] bool has(size_t i) const { return i < given.size() && given[i]; }
  [[nodiscard]] Result<Dims> integers(size_t i) const {
    if (!has(i)) return error(fmt::format("operand {} is missing", i));
    Dims numbers;
    for (const float value : tensors[i].values) {
      if (!(std::abs(value) <= 0x1p31F) || value != std::floor(value))
        return error(fmt::format("{} where a whole number is needed", value));
      numbers.push_back(static_cast<int64_t>(value));
    }
    return numbers;
  }
  // Axes and the like: in an attribute (older opsets) or in an operand.
  [[nodiscard]] Result<Dims> listed(const char* attribute, size_t i) const {
    if (const OnnxAttribute* found = node.find(attribute)) return found->integers;
    return has(i) ? integers(i) : Result<Dims>(Dims{});
  }
  [[nodiscard]] Result<size_t> axis(int64_t axis, size_t rank) const {
    const auto all = static_cast<int64_t>(rank);
    if (axis < -all || axis >= all) return error(fmt::format("axis {} of {}", axis, rank));
    return static_cast<size_t>(axis < 0 ? axis + all : axis);
  }
};

inline int64_t product(const Dims& dims) {
  return std::accumulate(dims.begin(), dims.end(), int64_t{1}, std::multiplies<>());
}
// Fails beyond kMostFolded elements.
Result<Tensor> zeros(const Folding& f, const Dims& dims);
// Steps of a tensor over the axes of `over`, to which it is repeated; absent: it does not fit.
std::optional<Dims> strides_over(const Dims& dims, const Dims& over);
int64_t place_in(int64_t index, const Dims& over, const Dims& strides);
Result<Dims> common_dims(const Folding& f, const Dims& a, const Dims& b);

Result<Tensor> fold_reshape(const Folding& f);
Result<Tensor> fold_unsqueeze(const Folding& f);
Result<Tensor> fold_squeeze(const Folding& f);
Result<Tensor> fold_expand(const Folding& f);
Result<Tensor> fold_transpose(const Folding& f);
Result<Tensor> fold_slice(const Folding& f);
Result<Tensor> fold_gather(const Folding& f);
Result<Tensor> fold_concat(const Folding& f);
Result<Tensor> fold_trilu(const Folding& f);

}  // namespace rdusim::models::onnx
