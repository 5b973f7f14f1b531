// Aggregates of the records: means, quantiles, splits, bytes by pair of tiers.
#pragma once

#include "runtime/result.h"

namespace rdusim::runtime {

// Fills every aggregate of `result` that follows from its records, pass_bytes and experts.
void aggregate(NodeResult& result);

}  // namespace rdusim::runtime
