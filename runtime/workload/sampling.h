// Samples of the usual distributions, by arithmetic that gives the same bits on every machine (no <random>,
// no libm besides the correctly rounded sqrt).
#pragma once

#include <cstdint>

#include "base/random.h"

namespace rdusim::runtime {

// Independent streams of one seed, one a purpose: SplitMix64 states far apart. Two purposes that drew the
// same numbers would be correlated (short gaps between requests with popular experts, for instance). Experts
// are drawn from the seed itself.
enum class Purpose : uint64_t { kExperts, kLengths, kTurns, kTenants, kArrivals, kReroutedSteps, kFlows };
constexpr uint64_t seed_of(uint64_t seed, Purpose purpose) {
  return seed ^ (static_cast<uint64_t>(purpose) * 0xD1B54A32D192ED03ULL);
}

double sample_exponential(Random& random);  // mean 1
double sample_normal(Random& random);       // mean 0, variance 1; polar method
// Mean 1, variance 1 / shape; shape > 0. Marsaglia and Tsang (2000), below 1 by their power of a uniform.
double sample_gamma(Random& random, double shape);
// Of the given mean > 0 and coefficient of variation >= 0 (0: the mean itself).
double sample_lognormal(Random& random, double mean, double cv);

}  // namespace rdusim::runtime
