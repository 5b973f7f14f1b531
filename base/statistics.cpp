// Nearest-rank quantiles by sorting: exact, and independent of how the samples were gathered.
#include "base/statistics.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace rdusim {

Samples::Samples(std::vector<double> values) : sorted_(std::move(values)) {
  for (const double value : sorted_) RDU_CHECK(!std::isnan(value), "a sample is not a number");
  std::sort(sorted_.begin(), sorted_.end());
  mean_ =
      mean_in_order(sorted_);  // of the sorted samples: the order of gathering cannot show in the last bit
}

double Samples::quantile(double q) const {
  RDU_CHECK(!sorted_.empty() && q >= 0 && q <= 1, "quantile {} of {} samples", q, sorted_.size());
  const double exact = q * static_cast<double>(sorted_.size());
  // 0.95 * 20 is 19 in decimals but may lie an ulp above it in binary: forgive that much.
  const double rank = std::ceil(exact * (1 - 0x1.0p-50));
  return sorted_[static_cast<size_t>(std::max(rank, 1.0)) - 1];
}

double sum_in_order(std::span<const double> values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum;
}

double mean_in_order(std::span<const double> values) {
  return values.empty() ? 0 : sum_in_order(values) / static_cast<double>(values.size());
}

}  // namespace rdusim
