// Waiting times of a Bernoulli process, so that cycles without a packet need not be drawn one by one.
#pragma once

#include <array>
#include <cstdint>

#include "base/random.h"

namespace rdusim::sim::noc {

// Failures before the next success of trials with chance `probability` in (0, 1]. The inverse of the
// distribution, found by binary descent over powers of the chance of failure: products only, so every machine
// draws the same.
class Geometric {
 public:
  explicit Geometric(double probability) {
    double power = 1 - probability;
    for (double& p : powers_) {
      p = power;
      power *= power;
    }
  }
  int64_t draw(Random& random) const {
    int64_t failures = 0;
    for (;;) {
      const double u = 1 - random.uniform();  // (0, 1]
      double survived = 1;
      int64_t step = 0;
      for (int k = kBits - 1; k >= 0; --k) {
        const double further = survived * powers_[static_cast<size_t>(k)];
        if (further >= u) {
          survived = further;
          step += int64_t{1} << k;
        }
      }
      failures += step;
      if (step != (int64_t{1} << kBits) - 1)
        return failures;  // else the wait is longer than one draw can say
    }
  }

 private:
  static constexpr int kBits = 20;
  std::array<double, kBits> powers_{};
};

}  // namespace rdusim::sim::noc
