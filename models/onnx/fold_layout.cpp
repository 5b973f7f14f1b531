// Operators of constants that move numbers: see fold.h.
#include "models/onnx/fold.h"

#include <algorithm>

namespace rdusim::models::onnx {
namespace {

// Elements of operand 0 in other places: result element e is element place(coordinates of e).
Result<Tensor> moved(const Folding& f, const Dims& dims, const Dims& strides, int64_t first) {
  RDU_ASSIGN(Tensor result, zeros(f, dims));
  for (size_t e = 0; e < result.values.size(); ++e) {
    const int64_t place = first + place_in(static_cast<int64_t>(e), dims, strides);
    result.values[e] = f.tensors[0].values[static_cast<size_t>(place)];
  }
  return result;
}

Dims plain_strides(const Dims& dims) {
  Dims strides(dims.size(), 1);
  for (size_t i = dims.size(); i-- > 1;) strides[i - 1] = strides[i] * dims[i];
  return strides;
}

Result<Tensor> reshaped(const Folding& f, Dims dims) {
  Tensor result = f.tensors[0];
  int64_t known = 1;
  std::optional<size_t> open;
  for (size_t i = 0; i < dims.size(); ++i) {
    if (dims[i] == 0 && i < result.shape.dims.size()) dims[i] = result.shape.dims[i];
    if (dims[i] == -1)
      open = i;
    else if (dims[i] < 0 || dims[i] > kMostFolded || known > kMostFolded)
      return f.error("a bad shape");
    else
      known *= dims[i];
  }
  const int64_t elements = product(result.shape.dims);
  if (open) dims[*open] = known == 0 ? 0 : elements / known;
  if (product(dims) != elements)
    return f.error(fmt::format("{} elements as [{}]", elements, fmt::join(dims, ",")));
  result.shape.dims = dims;
  return result;
}

}  // namespace

Result<Tensor> fold_reshape(const Folding& f) {
  RDU_ASSIGN(const Dims dims, f.integers(1));
  return reshaped(f, dims);
}
Result<Tensor> fold_unsqueeze(const Folding& f) {
  RDU_ASSIGN(const Dims axes, f.listed("axes", 1));
  const size_t rank = f.tensors[0].shape.dims.size() + axes.size();
  std::vector<bool> added(rank);
  for (const int64_t a : axes) {
    RDU_ASSIGN(const size_t place, f.axis(a, rank));
    added[place] = true;
  }
  if (std::count(added.begin(), added.end(), true) != static_cast<std::ptrdiff_t>(axes.size()))
    return f.error("an axis is given twice");
  Tensor result = f.tensors[0];
  size_t next = 0;
  Dims dims;
  for (size_t i = 0; i < rank; ++i) dims.push_back(added[i] ? 1 : result.shape.dims[next++]);
  result.shape.dims = dims;
  return result;
}
Result<Tensor> fold_squeeze(const Folding& f) {
  RDU_ASSIGN(const Dims axes, f.listed("axes", 1));
  Tensor result = f.tensors[0];
  std::vector<bool> dropped(result.shape.dims.size(), axes.empty());
  for (const int64_t a : axes) {
    RDU_ASSIGN(const size_t place, f.axis(a, dropped.size()));
    if (result.shape.dims[place] != 1) return f.error(fmt::format("axis {} is not 1", a));
    dropped[place] = true;
  }
  Dims dims;
  for (size_t i = 0; i < dropped.size(); ++i)
    if (!dropped[i] || result.shape.dims[i] != 1) dims.push_back(result.shape.dims[i]);
  result.shape.dims = dims;
  return result;
}
Result<Tensor> fold_expand(const Folding& f) {
  RDU_ASSIGN(const Dims wanted, f.integers(1));
  RDU_ASSIGN(const Dims dims, common_dims(f, f.tensors[0].shape.dims, wanted));
  return moved(f, dims, strides_over(f.tensors[0].shape.dims, dims).value(), 0);
}
Result<Tensor> fold_transpose(const Folding& f) {
  const Dims& from = f.tensors[0].shape.dims;
  Dims order(from.size());
  std::iota(order.rbegin(), order.rend(), 0);
  if (const OnnxAttribute* given = f.node.find("perm")) {
    if (!std::is_permutation(order.begin(), order.end(), given->integers.begin(), given->integers.end()))
      return f.error("perm is no order of the axes");
    order = given->integers;
  }
  const Dims strides = plain_strides(from);
  Dims dims;
  Dims steps;
  for (const int64_t axis : order) {
    dims.push_back(from[static_cast<size_t>(axis)]);
    steps.push_back(strides[static_cast<size_t>(axis)]);
  }
  return moved(f, dims, steps, 0);
}

Result<Tensor> fold_slice(const Folding& f) {
  RDU_ASSIGN(const Dims starts, f.listed("starts", 1));
  RDU_ASSIGN(const Dims ends, f.listed("ends", 2));
  RDU_ASSIGN(Dims axes, f.listed("axes", 3));
  RDU_ASSIGN(const Dims steps, f.listed("steps", 4));
  Dims dims = f.tensors[0].shape.dims;
  if (axes.empty()) {
    axes.resize(starts.size());
    std::iota(axes.begin(), axes.end(), 0);
  }
  if (ends.size() != starts.size() || axes.size() != starts.size() || dims.empty())
    return f.error("starts, ends and axes are not as many");
  const Dims strides = plain_strides(dims);
  int64_t first = 0;
  for (size_t i = 0; i < starts.size(); ++i) {
    RDU_ASSIGN(const size_t at, f.axis(axes[i], dims.size()));
    if (i < steps.size() && steps[i] != 1) return f.error("a slice with steps");
    const int64_t size = dims[at];
    const auto place = [size](int64_t p) { return std::clamp<int64_t>(p < 0 ? p + size : p, 0, size); };
    const int64_t begin = place(starts[i]);
    dims[at] = std::max<int64_t>(0, place(ends[i]) - begin);
    first += begin * strides[at];
  }
  return moved(f, dims, strides, first);
}

Result<Tensor> fold_gather(const Folding& f) {
  RDU_ASSIGN(const Dims indices, f.integers(1));
  const Dims& from = f.tensors[0].shape.dims;
  RDU_ASSIGN(const size_t at, f.axis(f.node.integer("axis", 0), from.size()));
  Dims dims(from.begin(), from.begin() + static_cast<std::ptrdiff_t>(at));
  const Dims& index_dims = f.tensors[1].shape.dims;
  dims.insert(dims.end(), index_dims.begin(), index_dims.end());
  dims.insert(dims.end(), from.begin() + static_cast<std::ptrdiff_t>(at) + 1, from.end());
  RDU_ASSIGN(Tensor result, zeros(f, dims));
  const int64_t inner = product(Dims(from.begin() + static_cast<std::ptrdiff_t>(at) + 1, from.end()));
  const auto count = static_cast<int64_t>(indices.size());
  for (size_t e = 0; e < result.values.size(); ++e) {
    const auto place = static_cast<int64_t>(e);
    int64_t index = indices[static_cast<size_t>(place / inner % count)];
    if (index < 0) index += from[at];
    if (index < 0 || index >= from[at]) return f.error(fmt::format("entry {} of {}", index, from[at]));
    const int64_t source = (place / inner / count * from[at] + index) * inner + place % inner;
    result.values[e] = f.tensors[0].values[static_cast<size_t>(source)];
  }
  return result;
}

Result<Tensor> fold_concat(const Folding& f) {
  Dims dims = f.tensors[0].shape.dims;
  RDU_ASSIGN(const size_t at, f.axis(f.node.integer("axis", 0), dims.size()));
  dims[at] = 0;
  for (const Tensor& tensor : f.tensors) {
    Dims own = tensor.shape.dims;
    if (own.size() != dims.size()) return f.error("operands of other ranks");
    dims[at] += std::exchange(own[at], dims[at]);
    own[at] = dims[at];
    if (own != dims) return f.error("operands of other shapes");
  }
  RDU_ASSIGN(Tensor result, zeros(f, dims));
  const int64_t outer = product(Dims(dims.begin(), dims.begin() + static_cast<std::ptrdiff_t>(at)));
  auto next = result.values.begin();
  for (int64_t o = 0; o < outer; ++o) {
    for (const Tensor& tensor : f.tensors) {
      const auto run = static_cast<std::ptrdiff_t>(tensor.values.size()) / outer;
      next = std::copy_n(tensor.values.begin() + o * run, run, next);
    }
  }
  return result;
}

Result<Tensor> fold_trilu(const Folding& f) {
  Tensor result = f.tensors[0];
  if (result.shape.dims.size() < 2) return f.error("a triangle of less than two axes");
  int64_t k = 0;
  if (f.has(1)) {
    RDU_ASSIGN(const Dims number, f.integers(1));
    k = number.empty() ? 0 : number.front();
  }
  const bool upper = f.node.integer("upper", 1) != 0;
  const int64_t cols = result.shape.dims.back();
  const int64_t rows = result.shape.dims[result.shape.dims.size() - 2];
  for (size_t e = 0; e < result.values.size(); ++e) {
    const int64_t col = static_cast<int64_t>(e) % cols;
    const int64_t row = static_cast<int64_t>(e) / cols % rows;
    if (upper ? col - row < k : col - row > k) result.values[e] = 0;
  }
  return result;
}

}  // namespace rdusim::models::onnx
