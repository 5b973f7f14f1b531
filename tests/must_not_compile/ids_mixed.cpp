// An id of one thing does not name another.
#include "base/ids.h"

constexpr rdusim::ExpertId kExpert{size_t{3}};
#ifdef RDUSIM_CONTROL
constexpr rdusim::ExpertId kOther = kExpert;
#else
constexpr rdusim::RequestId kOther = kExpert;
#endif
static_assert(kOther.value == 3);
