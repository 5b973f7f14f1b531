// Logarithm and exponential from additions, multiplications and divisions only: the same bits on every
// machine, which libm does not promise (its variants for newer processors round differently). Relative error
// below 1e-14 (test).
#pragma once

namespace rdusim::runtime {

double repeatable_log(double x);  // natural; x > 0 and normal
double repeatable_exp(double x);  // |x| <= 700

}  // namespace rdusim::runtime
