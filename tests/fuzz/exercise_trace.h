// What the trace fuzzer does with one input: read it as a workload, and check what must hold for any.
#pragma once

#include <string>
#include <string_view>

#include "base/check.h"
#include "runtime/router/router.h"
#include "runtime/workload/labelled_prompts.h"
#include "runtime/workload/synthetic.h"
#include "runtime/workload/workload.h"

namespace rdusim::fuzz {

// True if the text was taken as a workload. A broken rule throws CheckFailure.
inline bool exercise_trace(std::string_view text) {
  const runtime::WorkloadOptions options{{128, 20}, 1};
  const auto prompts = runtime::parse_labelled_prompts(text, "fuzz");
  RDU_CHECK(prompts.ok() || prompts.error().where.starts_with("fuzz"), "{}", prompts.error().to_string());
  const auto router = runtime::Router::from_bytes(text, "fuzz");
  RDU_CHECK(router.ok() || !router.error().where.empty(), "{}", router.error().to_string());
  const auto workload = runtime::parse_workload(text, "fuzz", options);
  if (!workload.ok()) {
    RDU_CHECK(workload.error().where.starts_with("fuzz"), "{}", workload.error().to_string());
    RDU_CHECK(!workload.error().what.empty(), "an error without words");
    return false;
  }
  RDU_CHECK(!workload->requests.empty(), "a workload without requests");
  RDU_CHECK(workload->notes.empty() || workload->notes.size() == workload->requests.size(),
            "notes do not match");
  Picoseconds last(0);
  for (const runtime::Request& r : workload->requests) {
    RDU_CHECK(r.arrival >= last, "arrivals out of order");
    RDU_CHECK(r.prompt_tokens > 0 && r.output_tokens > 0, "a request without tokens");
    RDU_CHECK(r.tenant.value < workload->tenants.size(), "a tenant without a name");
    last = r.arrival;
  }
  return true;
}

}  // namespace rdusim::fuzz
