// Results explained: shared by the commands explain and diff, and by whoever shows a result.
#pragma once

#include <memory>

#include "cli/rerun.h"
#include "report/difference.h"
#include "report/explanation.h"
#include "report/serving_explanation.h"

namespace rdusim::cli {

// Of a simulate result: the run once more, with its critical path. Fails when it does not come to the
// result's cycles, which another version of rdusim may be the reason of.
struct ExplainedSimulation {
  report::Explanation explanation;
  report::TimeModel latency;
};
Result<ExplainedSimulation> explain_simulation(Rerun& rerun);

// Of a serve result: every node's explanation, and the first node's mean latency (differentiated if the node
// does one thing after another).
struct ExplainedServing {
  std::vector<report::ServingExplanation> nodes;
  report::TimeModel latency;
};
Result<ExplainedServing> explain_serving_result(Rerun& rerun);

// The explanation of either as JSON, for who shows results; and as text.
struct ExplainedResult {
  std::shared_ptr<const report::Json> json;
  std::string text;
  report::TimeModel latency;
};
Result<ExplainedResult> explain_result(Rerun& rerun);

}  // namespace rdusim::cli
