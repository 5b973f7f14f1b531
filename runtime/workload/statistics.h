// What a workload holds: rate, bursts, lengths, shared prefixes.
#pragma once

#include <cstdint>

#include "runtime/workload/workload.h"

namespace rdusim::runtime {

struct Quantiles {  // nearest rank
  double mean = 0;
  int64_t p50 = 0;
  int64_t p90 = 0;
  int64_t p99 = 0;
  int64_t max = 0;
};

struct WorkloadStatistics {
  int64_t requests = 0;
  int64_t tenants = 0;
  int64_t conversations = 0;  // 0: requests stand alone
  int64_t functions = 0;      // 0: not a trace of functions
  double span_s = 0;          // to the last arrival
  double rate_per_s = 0;      // 0 when all arrive at once
  double gap_cv = 0;          // coefficient of variation of the gaps between arrivals
  Quantiles prompt_tokens;
  Quantiles output_tokens;
  int64_t blocks = 0;              // prefix blocks of all prompts
  int64_t blocks_seen_before = 0;  // whose tokens an earlier request had as well
};

WorkloadStatistics workload_statistics(const Workload& workload);

}  // namespace rdusim::runtime
