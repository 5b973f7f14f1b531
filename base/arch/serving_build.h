// How the service that runs on a node was built, where that shows in its times. Sequence buckets: a build
// with static shapes decodes over a KV cache of the length that it was compiled for, however much of it is
// filled.
#pragma once

#include <cstdint>
#include <string>

#include "base/arch/load.h"

namespace rdusim {

// Shortest sequence that decode is compiled for, in tokens: a power of two; longer sequences take the next
// one. 0: decode reads what is cached. `stack` is one of the node's; empty: its default.
Result<int64_t> load_sequence_bucket(ConfigContext& context, const std::string& node,
                                     const std::string& stack);

}  // namespace rdusim
