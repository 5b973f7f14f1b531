// What rdusim serve does before it prints: read composition, requests and nodes, choose each request's
// expert, serve the requests on every node.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "cli/progress.h"
#include "cli/session.h"
#include "report/serving.h"
#include "runtime/composition.h"
#include "runtime/workload/assign.h"
#include "runtime/workload/workload.h"

namespace rdusim::cli {

struct ServingChoice {
  std::string node = "sn40l-8";
  std::vector<std::string> compare;
  std::string requests;
  int64_t batch = 0;          // 0: the composition's
  int64_t prompt_tokens = 0;  // 0: what the rows say
  int64_t output_tokens = 0;
  std::string popularity;  // empty: none
  std::string router;      // file, "builtin", "none"; empty: builtin where it applies
  std::string embeddings;
  std::string stack;  // empty: the composition's
  std::string fidelity = "analytic";
};

struct Serving {
  runtime::Composition composition;
  runtime::Workload workload;
  runtime::AssignmentSummary assignment;
  report::NodeResults nodes;
};

Result<Serving> serve_composition(Session& session, const std::string& composition,
                                  const ServingChoice& choice, Progress& progress);

}  // namespace rdusim::cli
