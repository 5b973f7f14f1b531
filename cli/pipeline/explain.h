// Why a pipelined pass takes as long as it does: the chain of stages, transfers and returns that each waited
// for the one before; which of them binds; what parameters the time hangs on through all of them; and the
// explanation of the program of the stage that binds.
#pragma once

#include "cli/explaining.h"

namespace rdusim::cli {

// Of a simulate result with --pipeline or --micro-batches: the run once more. A loop (decode) is explained by
// its steady state; the time that diff compares is latency_s, the first passage. Fails as explain_simulation
// does.
Result<ExplainedResult> explain_pipeline(Rerun& rerun);

}  // namespace rdusim::cli
