// Bytes times bytes is nothing; bytes times a count is bytes.
#include "base/units.h"

#ifdef RDUSIM_CONTROL
static_assert((rdusim::Bytes(2) * 3).value == 6);
#else
static_assert((rdusim::Bytes(2) * rdusim::Bytes(3)).value == 6);
#endif
