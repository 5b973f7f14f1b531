// Generated workloads: "synthetic:poisson,rate=2,n=10000,prompt=128,output=20,popularity=zipf:0.9,seed=7".
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "runtime/workload/workload.h"

namespace rdusim::runtime {

inline constexpr std::string_view kSyntheticPrefix = "synthetic:";

// Arrivals: poisson (exponential gaps at `rate` a second), constant (gaps of 1/rate), together (all at time
// 0). Keys: n (1000), rate (1), prompt and output (the options' defaults), popularity (none), seed (the
// options'). Equal specification and seed give equal requests on every machine.
Result<Workload> generate_workload(const std::string& specification, const WorkloadOptions& options);
std::string synthetic_help();

}  // namespace rdusim::runtime
