// A transfer time comes from bytes and a bandwidth, not from flops.
#include "base/units.h"

constexpr rdusim::BytesPerSecond kBandwidth{1e12};
#ifdef RDUSIM_CONTROL
static_assert(rdusim::transfer_time(rdusim::Bytes(1), kBandwidth).value == 1);
#else
static_assert(rdusim::transfer_time(rdusim::Flops(1), kBandwidth).value == 1);
#endif
