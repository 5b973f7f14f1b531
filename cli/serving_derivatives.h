// Derivatives of a serve's mean latency on nodes that overlap copies and passes, run several requests at
// once, or wait for earlier answers: nothing there is one chain. So the serve is done again, with the same
// requests and decisions open, once with a parameter a little better and once a little worse. What a pass
// costs then follows from the derivative of its critical path, with the compiler's mapping held; bandwidths
// that copies and passes share, the set-up of a copy and the host's time change with it. Queueing is thereby
// in it.
#pragma once

#include "cli/serving.h"
#include "report/serving_explanation.h"

namespace rdusim::cli {

// The relative step. assumed: small against what one parameter is worth, and a thousand times what the
// engine's picoseconds are of a pass.
inline constexpr double kServedStep = 0.01;

// Of node `n` of a serve that was done (prepared.serving.nodes[n] is its result), which is no GPU node and
// was not resumed from a checkpoint.
Result<report::ServedDerivatives> serve_again(PreparedServing& prepared, size_t n);

}  // namespace rdusim::cli
