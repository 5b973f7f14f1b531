// Expands requests into plans by the composition's flows. The flow of a request: the one that names its
// label, else drawn by the flows' shares, else the plain one (its assigned expert answers). Steps whose
// expert is "routed" draw anew by the popularity law of the workload or the composition; which expert a real
// router would choose for an answer is not known before the answer is.
#pragma once

#include "base/result.h"
#include "runtime/composition.h"
#include "runtime/request_plan.h"
#include "runtime/workload/workload.h"

namespace rdusim::runtime {

// Every request has its expert (assign_experts). Fails when a step is routed and nothing says how, when a
// prompt outgrows 10 million tokens, and where a tenant may not use an expert that its flow names.
Result<RequestPlans> plan_requests(const Workload& workload, const Composition& composition, uint64_t seed);

}  // namespace rdusim::runtime
