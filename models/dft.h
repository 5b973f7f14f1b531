// Tables of the discrete Fourier transform of length N = n^2 in two steps of length n (the Monarch
// decomposition of order two; Fu et al., FlashFFTConv, arXiv 2311.05908): for x as a matrix [n, n] by rows,
//
//   X[p + n q] = sum_c W_N^(c p) W_n^(c q) sum_r x[r n + c] W_n^(r p),   W_k = e^(-2 pi i / k)
//
// Real and imaginary parts are tensors of their own.
#pragma once

#include <cstdint>
#include <string>

#include "base/tensor.h"

namespace rdusim::models {

enum class ComplexPart : uint8_t { kReal, kImaginary };

// Sources of derived tensors (derived.h).
std::string dft_source(int64_t n, ComplexPart part, bool inverse);
std::string twiddle_source(int64_t n, ComplexPart part, bool inverse);
std::string spectrum_source(const std::string& tensor, int64_t n, ComplexPart part);

// [n, n]: W_n^(j k), or its conjugate over n.
Tensor dft_matrix(int64_t n, ComplexPart part, bool inverse);
// [n, n]: W_N^(j k), or its conjugate.
Tensor twiddles(int64_t n, ComplexPart part, bool inverse);
// Of real filters [channels, up to n^2], zeros after their end: [channels n, n], row p and column q of a
// channel hold X[p + n q].
Tensor spectrum(const Tensor& filters, int64_t n, ComplexPart part);

}  // namespace rdusim::models
