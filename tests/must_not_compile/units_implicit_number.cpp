// A bare number is no quantity: its unit must be said.
#include "base/units.h"

#ifdef RDUSIM_CONTROL
constexpr rdusim::Bytes kBytes{5};
#else
constexpr rdusim::Bytes kBytes = 5;
#endif
static_assert(kBytes.value == 5);
