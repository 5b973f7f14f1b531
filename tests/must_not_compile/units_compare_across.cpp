// Picoseconds and cycles have no order.
#include "base/units.h"

#ifdef RDUSIM_CONTROL
static_assert(rdusim::Cycles(1) < rdusim::Cycles(2));
#else
static_assert(rdusim::Picoseconds(1) < rdusim::Cycles(2));
#endif
