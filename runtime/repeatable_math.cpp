// Series for logarithm and exponential after the usual range reductions.
#include "runtime/repeatable_math.h"

#include <bit>
#include <cstdint>

#include "base/check.h"

namespace rdusim::runtime {
namespace {

constexpr double kLn2 = 0.693147180559945309417232121458;
constexpr int kExponentBias = 1023;
constexpr int kMantissaBits = 52;

}  // namespace

double repeatable_log(double x) {
  RDU_CHECK(x > 0, "logarithm of {}", x);
  const auto bits = std::bit_cast<uint64_t>(x);
  int exponent = static_cast<int>(bits >> kMantissaBits) - kExponentBias;
  double mantissa = std::bit_cast<double>((bits & ((uint64_t{1} << kMantissaBits) - 1)) |
                                          (static_cast<uint64_t>(kExponentBias) << kMantissaBits));  // [1, 2)
  if (mantissa > 1.4142135623730951) {
    mantissa /= 2;
    ++exponent;
  }
  // ln m = 2 atanh(z), |z| < 0.1716: thirteen terms are below 1e-20.
  const double z = (mantissa - 1) / (mantissa + 1);
  const double z2 = z * z;
  double sum = 0;
  for (int n = 25; n >= 1; n -= 2) sum = sum * z2 + 1.0 / n;
  return static_cast<double>(exponent) * kLn2 + 2 * z * sum;
}

double repeatable_exp(double x) {
  RDU_CHECK(x >= -700 && x <= 700, "exponential of {}", x);
  const int power = static_cast<int>(x / kLn2 + (x < 0 ? -0.5 : 0.5));
  const double rest = x - power * kLn2;  // |rest| <= 0.35
  double sum = 1;
  for (int n = 18; n >= 1; --n) sum = 1 + sum * rest / n;
  return sum * std::bit_cast<double>(static_cast<uint64_t>(power + kExponentBias) << kMantissaBits);
}

}  // namespace rdusim::runtime
