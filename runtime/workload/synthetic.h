// Generated workloads: "synthetic:poisson,rate=2,n=10000,prompt=128,output=20,popularity=zipf:0.9,seed=7".
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "runtime/workload/workload.h"

namespace rdusim::runtime {

inline constexpr std::string_view kSyntheticPrefix = "synthetic:";

// Arrivals: poisson (exponential gaps at `rate` a second), gamma (bursts: gaps of coefficient of variation
// `cv`), constant (gaps of 1/rate), together (all at time 0), closed (`clients` that wait for their answers).
// Keys: n (1000), rate (1), cv, clients, prompt and output (the options' defaults), turns and think
// (conversations), stay, popularity (none), seed (the options'). The short form of
// runtime/workload/generator.h.
Result<Workload> generate_workload(const std::string& specification, const WorkloadOptions& options);
std::string synthetic_help();

}  // namespace rdusim::runtime
