#include "models/dft.h"

#include <fmt/format.h>

#include <cmath>
#include <complex>
#include <numbers>
#include <vector>

namespace rdusim::models {
namespace {

using Complex = std::complex<double>;

// e^(-2 pi i k / period); k is reduced first, so that large products stay exact.
Complex root(int64_t k, int64_t period) {
  return std::polar(1.0,
                    -2 * std::numbers::pi * static_cast<double>(k % period) / static_cast<double>(period));
}

float part_of(Complex value, ComplexPart part) {
  return static_cast<float>(part == ComplexPart::kReal ? value.real() : value.imag());
}

std::string table_source(const char* kind, int64_t n, ComplexPart part, bool inverse) {
  return fmt::format("{}?n={}&part={}&inverse={}", kind, n, static_cast<int>(part), inverse ? 1 : 0);
}

}  // namespace

std::string dft_source(int64_t n, ComplexPart part, bool inverse) {
  return table_source("dft", n, part, inverse);
}

std::string twiddle_source(int64_t n, ComplexPart part, bool inverse) {
  return table_source("twiddle", n, part, inverse);
}

std::string spectrum_source(const std::string& tensor, int64_t n, ComplexPart part) {
  return fmt::format("spectrum?of={}&n={}&part={}", tensor, n, static_cast<int>(part));
}

Tensor dft_matrix(int64_t n, ComplexPart part, bool inverse) {
  Tensor table(n, n);
  for (int64_t j = 0; j < n; ++j) {
    for (int64_t k = 0; k < n; ++k) {
      const Complex w = root(j * k, n);
      table.at(j, k) = part_of(inverse ? std::conj(w) / static_cast<double>(n) : w, part);
    }
  }
  return table;
}

Tensor twiddles(int64_t n, ComplexPart part, bool inverse) {
  Tensor table(n, n);
  for (int64_t j = 0; j < n; ++j) {
    for (int64_t k = 0; k < n; ++k) {
      const Complex w = root(j * k, n * n);
      table.at(j, k) = part_of(inverse ? std::conj(w) : w, part);
    }
  }
  return table;
}

Tensor spectrum(const Tensor& filters, int64_t n, ComplexPart part) {
  Tensor result(filters.rows() * n, n);
  std::vector<Complex> roots;
  for (int64_t k = 0; k < n; ++k) roots.push_back(root(k, n));
  std::vector<Complex> inner(static_cast<size_t>(n * n));  // [c, p]
  for (int64_t h = 0; h < filters.rows(); ++h) {
    for (int64_t c = 0; c < n; ++c) {
      for (int64_t p = 0; p < n; ++p) {
        Complex sum = 0;
        for (int64_t r = 0; r * n + c < filters.cols() && r < n; ++r)
          sum += static_cast<double>(filters.at(h, r * n + c)) * roots[static_cast<size_t>(r * p % n)];
        inner[static_cast<size_t>(c * n + p)] = sum * root(c * p, n * n);
      }
    }
    for (int64_t p = 0; p < n; ++p) {
      for (int64_t q = 0; q < n; ++q) {
        Complex sum = 0;
        for (int64_t c = 0; c < n; ++c)
          sum += inner[static_cast<size_t>(c * n + p)] * roots[static_cast<size_t>(c * q % n)];
        result.at(h * n + p, q) = part_of(sum, part);
      }
    }
  }
  return result;
}

}  // namespace rdusim::models
