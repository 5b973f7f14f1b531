// A dense row-major tensor of floats: what weights, activations and fixtures are in functional mode.
// Integers (token ids, labels) up to 2^24 are exact in it; loaders check that.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace rdusim {

struct Shape {
  std::vector<int64_t> dims;

  // All operators see a tensor as a matrix: the last dimension is the columns, the others are the rows.
  [[nodiscard]] int64_t rows() const {
    int64_t n = 1;
    for (size_t i = 0; i + 1 < dims.size(); ++i) n *= dims[i];
    return n;
  }
  [[nodiscard]] int64_t cols() const { return dims.empty() ? 1 : dims.back(); }
  [[nodiscard]] int64_t elements() const { return rows() * cols(); }
  friend bool operator==(const Shape&, const Shape&) = default;
};

struct Tensor {
  Shape shape;
  std::vector<float> values;

  Tensor() = default;
  Tensor(int64_t rows, int64_t cols) : shape{{rows, cols}}, values(static_cast<size_t>(rows * cols)) {}
  [[nodiscard]] int64_t rows() const { return shape.rows(); }
  [[nodiscard]] int64_t cols() const { return shape.cols(); }
  float& at(int64_t r, int64_t c) { return values[static_cast<size_t>(r * cols() + c)]; }
  [[nodiscard]] float at(int64_t r, int64_t c) const { return values[static_cast<size_t>(r * cols() + c)]; }
};

}  // namespace rdusim
