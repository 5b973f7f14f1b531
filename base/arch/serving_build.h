// How the service that runs on a node was built, where that shows in its times. Sequence buckets: a build
// with static shapes decodes over a KV cache of the length that it was compiled for, however much of it is
// filled.
#pragma once

#include <cstdint>
#include <string>

#include "base/arch/load.h"

namespace rdusim {

struct SequenceBucket {
  // Shortest sequence that decode is compiled for: a power of two; longer sequences take the next one. 0:
  // decode reads what is cached.
  int64_t tokens = 0;
  bool within_context = false;  // of a model of a shorter context, that context is the shortest sequence
};

// `stack` is one of the node's; empty: its default.
Result<SequenceBucket> load_sequence_bucket(ConfigContext& context, const std::string& node,
                                            const std::string& stack);

}  // namespace rdusim
