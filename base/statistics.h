// Exact order statistics of samples. Quantile q by nearest rank: of n sorted samples the one at rank ceil(q
// n), at least 1; so the median of {1, 2} is 1, and every quantile is a value that occurred. Sums run in the
// given order.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace rdusim {

// Samples kept sorted once, asked often.
class Samples {
 public:
  explicit Samples(std::vector<double> values);  // any order, no NaN
  [[nodiscard]] int64_t count() const { return static_cast<int64_t>(sorted_.size()); }
  // Each needs at least one sample, and 0 <= q <= 1.
  [[nodiscard]] double quantile(double q) const;
  [[nodiscard]] double mean() const { return mean_; }
  [[nodiscard]] double min() const { return quantile(0); }
  [[nodiscard]] double max() const { return quantile(1); }

 private:
  std::vector<double> sorted_;
  double mean_ = 0;
};

double sum_in_order(std::span<const double> values);   // left to right
double mean_in_order(std::span<const double> values);  // 0 of none

}  // namespace rdusim
