// A quantity gives its number only through .value.
#include "base/units.h"

#ifdef RDUSIM_CONTROL
constexpr int64_t kCount = rdusim::Cycles(4).value;
#else
constexpr int64_t kCount = rdusim::Cycles(4);
#endif
static_assert(kCount == 4);
