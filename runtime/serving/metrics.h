// Aggregates of the records: means, quantiles, splits, bytes by pair of tiers, goodput, tenants and experts.
#pragma once

#include "runtime/result.h"

namespace rdusim::runtime {

// Of goodput; 0: no objective.
struct Objectives {
  double ttft_s = 0;
  double time_per_token_s = 0;
};

// Fills every aggregate of `result` that follows from its records, pass_bytes, experts and counters.
void aggregate(NodeResult& result, const Objectives& objectives, const std::vector<std::string>& tenants);

}  // namespace rdusim::runtime
