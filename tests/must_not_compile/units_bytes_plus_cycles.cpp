// Bytes and cycles do not add.
#include "base/units.h"

#ifdef RDUSIM_CONTROL
constexpr auto kSum = rdusim::Bytes(1) + rdusim::Bytes(2);
#else
constexpr auto kSum = rdusim::Bytes(1) + rdusim::Cycles(2);
#endif
static_assert(kSum.value == 3);
