// Which expert each request of a workload needs.
#pragma once

#include <optional>

#include "base/result.h"
#include "base/tensor.h"
#include "runtime/router/router.h"
#include "runtime/workload/workload.h"

namespace rdusim::runtime {

struct AssignmentOptions {
  std::optional<PopularityLaw>
      popularity;                    // draw every expert that no row names, whatever the composition says
  const Router* router = nullptr;    // trained for this composition
  std::optional<Tensor> embeddings;  // of the requests, for a router without embedder
  uint64_t seed = 1;
};

// How the experts were found, and how well when labels tell.
struct AssignmentSummary {
  int64_t by_name = 0;
  int64_t by_router = 0;
  int64_t by_label = 0;
  int64_t by_popularity = 0;
  int64_t by_function = 0;  // of an Azure Functions trace
  int64_t fallbacks = 0;    // sent to the base expert by the router or for an unknown label
  int64_t labelled = 0;     // routed rows with a label
  int64_t labelled_right =
      0;  // of these, sent to the expert of the label, or to the base expert if none serves it
};

// Fills Request::expert. Per request, the first that applies: the expert that its row names; a popularity law
// given in the options or by a generator; its function, in order of popularity; the router over its text
// (kind knn); its label; the composition's popularity law. Fails, naming the request, when none applies.
Result<AssignmentSummary> assign_experts(Workload& workload, const Composition& composition,
                                         const AssignmentOptions& options);

}  // namespace rdusim::runtime
