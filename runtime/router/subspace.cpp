// Randomised subspace iteration (Halko, Martinsson, Tropp 2011, algorithm 4.4) with Cholesky
// orthonormalisation. The block Z lives in column space (thousands of rows), where the Gram matrices are
// small; the matrix itself is only ever multiplied row by row.
#include "runtime/router/subspace.h"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>

#include "base/random.h"

namespace rdusim::runtime {
namespace {

using Block = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

constexpr int64_t kOversampling = 20;  // extra columns; the cited paper advises 5 to 20
// Directions whose singular value is below this share of the largest are rounding noise of FP32 sums.
constexpr double kRankTolerance = 1e-3;
// The same for a block multiplied by A^T A: its Gram matrix holds squares.
constexpr double kGramTolerance = 1e-12;

// A^T (A Z)
Block normal_product(const SparseRows& a, const Block& z) {
  Block out = Block::Zero(z.rows(), z.cols());
  Eigen::RowVectorXf row(z.cols());
  for (int64_t r = 0; r < a.rows(); ++r) {
    const auto begin = static_cast<size_t>(a.row_begin[static_cast<size_t>(r)]);
    const auto end = static_cast<size_t>(a.row_begin[static_cast<size_t>(r) + 1]);
    row.setZero();
    for (size_t i = begin; i < end; ++i) row += a.values[i] * z.row(a.columns[i]);
    for (size_t i = begin; i < end; ++i) out.row(a.columns[i]) += a.values[i] * row;
  }
  return out;
}

// X^T Y, row by row: Eigen's blocked product would sum in an order that depends on the machine's cache sizes.
Eigen::MatrixXd inner_products(const Block& x, const Block& y) {
  Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor> out(x.cols(), y.cols());
  out.setZero();
  Eigen::RowVectorXd row(y.cols());
  for (Eigen::Index r = 0; r < x.rows(); ++r) {
    row = y.row(r).cast<double>();
    for (Eigen::Index i = 0; i < x.cols(); ++i) out.row(i) += static_cast<double>(x(r, i)) * row;
  }
  return out;
}

// X B, row by row.
Block combine(const Block& x, const Eigen::MatrixXd& basis) {
  const Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor> rows = basis;
  Block out(x.rows(), rows.cols());
  Eigen::RowVectorXd row(rows.cols());
  for (Eigen::Index r = 0; r < x.rows(); ++r) {
    row.setZero();
    for (Eigen::Index i = 0; i < rows.rows(); ++i) row += static_cast<double>(x(r, i)) * rows.row(i);
    out.row(r) = row.cast<float>();
  }
  return out;
}

// Orthonormal basis of the columns: eigenvectors of the Gram matrix, which also drops what is linearly
// dependent.
Block orthonormal(const Block& z) {
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(inner_products(z, z));
  const Eigen::VectorXd& values = solver.eigenvalues();  // ascending
  const double largest = values.size() > 0 ? values[values.size() - 1] : 0;
  Eigen::Index keep = 0;
  while (keep < values.size() && largest > 0 && values[values.size() - 1 - keep] > largest * kGramTolerance) {
    ++keep;
  }
  const Eigen::MatrixXd basis =
      solver.eigenvectors().rightCols(keep) * values.tail(keep).cwiseSqrt().cwiseInverse().asDiagonal();
  return combine(z, basis);
}

}  // namespace

SingularSpace leading_singular_space(const SparseRows& matrix, int64_t dimensions, int iterations,
                                     uint64_t seed) {
  if (matrix.values.empty()) return {};
  const int64_t block = std::min({dimensions + kOversampling, matrix.cols, matrix.rows()});
  Block z(matrix.cols, block);
  Random random(seed);
  for (Eigen::Index i = 0; i < z.size(); ++i) z.data()[i] = (random.next() >> 63) != 0 ? 1.0F : -1.0F;
  for (int i = 0; i < iterations; ++i) {
    z = orthonormal(normal_product(matrix, z));
    if (z.cols() == 0) return {};  // all values are zero
  }
  // Rayleigh-Ritz: singular values of A inside the space found.
  const Eigen::MatrixXd small = inner_products(z, normal_product(matrix, z));
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver((small + small.transpose()) / 2);
  SingularSpace space;
  const Eigen::Index found = solver.eigenvalues().size();
  const double largest = found > 0 ? std::sqrt(std::max(0.0, solver.eigenvalues()[found - 1])) : 0;
  for (Eigen::Index i = found; i-- > 0 && static_cast<int64_t>(space.singular_values.size()) < dimensions;) {
    const double value = std::sqrt(std::max(0.0, solver.eigenvalues()[i]));
    if (value <= largest * kRankTolerance) break;
    space.singular_values.push_back(value);
  }
  space.dimensions = static_cast<int64_t>(space.singular_values.size());
  const Eigen::MatrixXd leading = solver.eigenvectors().rightCols(space.dimensions).rowwise().reverse();
  const Block vectors = combine(z, leading);
  space.vectors.assign(vectors.data(), vectors.data() + vectors.size());
  return space;
}

}  // namespace rdusim::runtime
