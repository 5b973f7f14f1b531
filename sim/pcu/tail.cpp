#include "sim/pcu/tail.h"

#include <bit>
#include <cmath>
#include <limits>

#include "base/check.h"
#include "base/dtype.h"
#include "base/random.h"

namespace rdusim::sim {

uint64_t tail_random(uint64_t seed, uint64_t element) {
  // Two rounds: neighbouring seeds and neighbouring elements must not give shifted copies of one stream.
  const uint64_t key = Random(seed).next();
  return Random(key ^ (element * 0xD1B54A32D192ED03ULL)).next();
}

float round_to_bf16_stochastic(float x, uint64_t random) {
  if (!std::isfinite(x)) return x;
  const auto bits = std::bit_cast<uint32_t>(x);
  return std::bit_cast<float>((bits + static_cast<uint32_t>(random & 0xFFFFU)) & 0xFFFF0000U);
}

int64_t round_to_integer_stochastic(float x, uint64_t random, int64_t low, int64_t high) {
  if (std::isnan(x)) return 0;
  const double floor = std::floor(static_cast<double>(x));
  const double threshold = static_cast<double>(random >> 11) * 0x1.0p-53;
  const double value = floor + (static_cast<double>(x) - floor > threshold ? 1 : 0);
  if (value <= static_cast<double>(low)) return low;
  if (value >= static_cast<double>(high)) return high;
  return static_cast<int64_t>(value);
}

int64_t round_to_integer_nearest(float x, int64_t low, int64_t high) {
  if (std::isnan(x)) return 0;
  const double floor = std::floor(static_cast<double>(x));
  const double rest = static_cast<double>(x) - floor;
  const bool odd = std::fmod(floor, 2.0) != 0;
  const double value = floor + (rest > 0.5 || (rest == 0.5 && odd) ? 1 : 0);
  if (value <= static_cast<double>(low)) return low;
  if (value >= static_cast<double>(high)) return high;
  return static_cast<int64_t>(value);
}

void convert_vector(std::span<const float> in, NumberFormat to, Rounding rounding, uint64_t seed,
                    uint64_t first, std::span<double> out) {
  RDU_CHECK(in.size() == out.size(), "{} elements into {}", in.size(), out.size());
  const bool stochastic = rounding == Rounding::kStochastic;
  const bool narrow = to == NumberFormat::kInt8;
  const int64_t low = narrow ? std::numeric_limits<int8_t>::min() : std::numeric_limits<int32_t>::min();
  const int64_t high = narrow ? std::numeric_limits<int8_t>::max() : std::numeric_limits<int32_t>::max();
  for (size_t i = 0; i < in.size(); ++i) {
    const uint64_t random = stochastic ? tail_random(seed, first + i) : 0;
    switch (to) {
      case NumberFormat::kFp32:
        out[i] = static_cast<double>(in[i]);
        break;
      case NumberFormat::kBf16:
        out[i] =
            static_cast<double>(stochastic ? round_to_bf16_stochastic(in[i], random) : round_to_bf16(in[i]));
        break;
      case NumberFormat::kInt32:
      case NumberFormat::kInt8:
        out[i] = static_cast<double>(stochastic ? round_to_integer_stochastic(in[i], random, low, high)
                                                : round_to_integer_nearest(in[i], low, high));
        break;
    }
  }
}

}  // namespace rdusim::sim
