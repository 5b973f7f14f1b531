#include "runtime/workload/sampling.h"

#include <algorithm>
#include <cmath>

#include "runtime/repeatable_math.h"

namespace rdusim::runtime {
namespace {

double clamped_exp(double x) {
  return repeatable_exp(std::clamp(x, -700.0, 700.0));
}

}  // namespace

double sample_exponential(Random& random) {
  return -repeatable_log(1 - random.uniform());
}

double sample_normal(Random& random) {
  for (;;) {
    const double u = 2 * random.uniform() - 1;
    const double v = 2 * random.uniform() - 1;
    const double s = u * u + v * v;
    if (s > 0 && s < 1) return u * std::sqrt(-2 * repeatable_log(s) / s);
  }
}

double sample_gamma(Random& random, double shape) {
  if (shape < 1) {
    const double power = clamped_exp(repeatable_log(1 - random.uniform()) / shape);
    return sample_gamma(random, shape + 1) * (shape + 1) / shape * power;
  }
  const double d = shape - 1.0 / 3;
  const double c = 1 / std::sqrt(9 * d);
  for (;;) {
    const double x = sample_normal(random);
    const double root = 1 + c * x;
    if (root <= 0) continue;
    const double v = root * root * root;
    if (repeatable_log(1 - random.uniform()) < x * x / 2 + d - d * v + d * repeatable_log(v))
      return d * v / shape;
  }
}

double sample_lognormal(Random& random, double mean, double cv) {
  if (cv == 0) return mean;
  const double variance = repeatable_log(1 + cv * cv);
  return mean * clamped_exp(std::sqrt(variance) * sample_normal(random) - variance / 2);
}

}  // namespace rdusim::runtime
