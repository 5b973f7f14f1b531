// Samples of the usual distributions, by arithmetic that gives the same bits on every machine (no <random>,
// no libm besides the correctly rounded sqrt).
#pragma once

#include "base/random.h"

namespace rdusim::runtime {

double sample_exponential(Random& random);  // mean 1
double sample_normal(Random& random);       // mean 0, variance 1; polar method
// Mean 1, variance 1 / shape; shape > 0. Marsaglia and Tsang (2000), below 1 by their power of a uniform.
double sample_gamma(Random& random, double shape);
// Of the given mean > 0 and coefficient of variation >= 0 (0: the mean itself).
double sample_lognormal(Random& random, double mean, double cv);

}  // namespace rdusim::runtime
